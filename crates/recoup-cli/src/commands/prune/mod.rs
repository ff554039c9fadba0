//! `recoup prune`: shows what goes and why, asks, and removes exactly that. Also what `recoup backup` does at its
//! end for a plan with a retention policy.
//!
//! Not here: what goes ([`recoup::prune`]), and how it reads (`tell`).

mod tell;

pub use tell::trash;

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use recoup::model::guard::Trigger;
use recoup::model::retention::Policy;
use recoup::model::{Format, Manifest, Plan};
use recoup::progress::Context;
use recoup::prune::{self, Preview, Report, Request, Rule};
use recoup::{Error, ErrorKind, Result};

use crate::args::{PolicyArgs, Prune};
use crate::ask;
use crate::output::{Reply, error_line};
use crate::places::{Place, Shelf};
use crate::session::Session;
use crate::words;

/// How often a confirmed set is looked at anew when backups come and go meanwhile.
const LOOKS: usize = 3;

/// The backups of one plan at one destination, and what is wanted of them.
struct Series<'a> {
    place: &'a Place,
    plan: String,
    policy: Policy,
    /// The policy was given for this call.
    once: bool,
    older_than: Option<SignedDuration>,
}

impl Series<'_> {
    fn request<'a>(&'a self, confirmed: Option<&'a str>) -> Request<'a> {
        let rule = match self.older_than {
            Some(older_than) => Rule::Protected { older_than },
            None => Rule::Policy { policy: &self.policy, once: self.once },
        };
        Request { plan: &self.plan, rule, trigger: Trigger::Command, confirmed, damaged: &[] }
    }

    fn preview(&self) -> Result<Preview> {
        prune::preview(self.place.store.as_ref(), &self.request(None), Timestamp::now())
    }
}

pub fn run(args: &Prune, session: &Session) -> Result<Reply> {
    let older_than = args.older_than.as_deref().map(words::parse_age).transpose()?;
    let on = args.on.as_deref().map(date).transpose()?;
    let policy = policy(&args.policy)?;
    let shelf = Shelf::open(session, args.at.at.as_deref())?;
    if args.trash {
        return tell::trash(&shelf, session);
    }
    let series = series(args, session, &shelf, policy.as_ref(), older_than)?;
    let previews = series.iter().map(Series::preview).collect::<Result<Vec<_>>>()?;
    if args.dry_run || on.is_some() {
        return tell::previewed(&series, &previews, &shelf, args, on, session);
    }
    let going: usize = previews.iter().map(|preview| preview.going().count()).sum();
    if let Some(other) =
        previews.iter().find(|preview| preview.going().next().is_some() && !args.confirm.contains(&preview.set))
        && !args.confirm.is_empty()
    {
        let text = format!("What goes of {} is not what was confirmed", other.plan);
        let error = Error::new(ErrorKind::Busy, "preview_stale", text);
        return Err(error.hint(format!("look at --dry-run again; the set is {} now", other.set)));
    }
    let asked = going > 0 && !args.yes && args.confirm.is_empty() && (args.protected || ask::somebody(&session.screen));
    if asked {
        session.screen.say(tell::listings(&series, &previews, session).trim_end());
        ask(&previews, going, session)?;
    }
    let context = session.work()?;
    let mut reports = Vec::new();
    for (series, preview) in series.iter().zip(previews) {
        let yes = args.yes || asked || args.confirm.contains(&preview.set);
        reports.push(carry_out(series, preview, yes, args.yes, &context)?);
    }
    Ok(tell::carried_out(&series, &reports, &shelf, args, asked, session))
}

/// Asks for a yes to what was shown. Guards that no yes lifts are told first.
fn ask(previews: &[Preview], going: usize, session: &Session) -> Result<()> {
    let bytes = previews.iter().map(Preview::going_bytes).sum();
    let what = words::things(going as u64, "backup");
    let why = previews.iter().filter_map(|preview| preview.paused.as_ref()).map(|pause| pause.reason.clone());
    let why = words::list(&why.collect::<Vec<_>>());
    let note = if why.is_empty() { String::new() } else { format!(" Note: {why}.") };
    ask::confirm(&session.screen, &format!("Delete {what}, {}?{note}", words::size(bytes)))
}

/// Carries out a preview. With a yes to whatever goes, a set that changed meanwhile is looked at again.
fn carry_out(series: &Series<'_>, preview: Preview, yes: bool, any: bool, context: &Context) -> Result<Report> {
    let mut set = preview.set;
    for _ in 1..LOOKS {
        match prune::run(series.place.store.as_ref(), &series.request(yes.then_some(&set)), context) {
            Err(error) if any && error.code() == "preview_stale" => set = series.preview()?.set,
            other => return other,
        }
    }
    prune::run(series.place.store.as_ref(), &series.request(yes.then_some(&set)), context)
}

/// Which plans at which destinations, and the policy of each.
fn series<'a>(
    args: &Prune,
    session: &Session,
    shelf: &'a Shelf,
    given: Option<&Policy>,
    older_than: Option<SignedDuration>,
) -> Result<Vec<Series<'a>>> {
    let found = found(shelf);
    let settings = &session.settings;
    if let Some(name) = &args.plan
        && !found.iter().any(|(_, plan)| plan == name)
    {
        // A name that nobody knows is a slip; a plan without backups is not.
        settings.plan(name)?;
    }
    let mut all = Vec::new();
    for (at, plan) in found.into_iter().filter(|(_, plan)| args.plan.as_ref().is_none_or(|only| only == plan)) {
        let Some(place) = shelf.places.get(at) else { continue };
        let declared = match settings.plans.iter().find(|declared| declared.name == plan) {
            Some(declared) => match (goes_to(session, declared, place)?, args.at.at.is_some()) {
                (Some(name), _) => declared.retention_of(&name).cloned(),
                (None, true) => declared.retention.clone(),
                (None, false) => None,
            },
            None => None,
        };
        let policy = given.cloned().or(declared).unwrap_or_default();
        all.push(Series { place, plan, policy, once: given.is_some(), older_than });
    }
    Ok(all)
}

/// Plans that have backups, whole or not, at each place.
fn found(shelf: &Shelf) -> BTreeSet<(usize, String)> {
    let mut found = BTreeSet::new();
    for listed in shelf.listing.backups.iter().filter(|listed| listed.foreign.is_none()) {
        for copy in shelf.copies(&listed.manifest.id) {
            let at = shelf.places.iter().position(|place| std::ptr::eq(place, copy.place));
            found.extend(at.map(|at| (at, listed.manifest.plan.clone())));
        }
    }
    found
}

/// What a plan calls this place, when its backups go there.
fn goes_to(session: &Session, plan: &Plan, place: &Place) -> Result<Option<String>> {
    let here = place.settings.real();
    let all = session.settings.destinations_of(plan)?;
    Ok(all.into_iter().find(|destination| destination.real() == here).map(|destination| destination.name))
}

fn policy(args: &PolicyArgs) -> Result<Option<Policy>> {
    let mut policy = args.preset.as_deref().map(str::parse::<Policy>).transpose()?;
    for (given, field) in [
        (args.days, (|policy| &mut policy.days) as fn(&mut Policy) -> &mut u32),
        (args.keep_count, |policy| &mut policy.keep_count),
        (args.minutely, |policy| &mut policy.minutely),
        (args.hourly, |policy| &mut policy.hourly),
        (args.daily, |policy| &mut policy.daily),
        (args.weekly, |policy| &mut policy.weekly),
        (args.monthly, |policy| &mut policy.monthly),
        (args.yearly, |policy| &mut policy.yearly),
        (args.min_keep, |policy| &mut policy.min_keep),
    ] {
        if let Some(number) = given {
            *field(policy.get_or_insert_default()) = number;
        }
    }
    if let Some(policy) = &mut policy {
        policy.check()?;
    }
    Ok(policy)
}

/// `2027-01-01` is the end of that day, UTC; or a moment by RFC 3339.
fn date(text: &str) -> Result<Timestamp> {
    let day = text.parse::<jiff::civil::Date>().ok().filter(|_| text.len() == 10);
    let end = day.and_then(|day| day.at(23, 59, 59, 0).to_zoned(jiff::tz::TimeZone::UTC).ok());
    let moment = end.map(|at| at.timestamp()).or_else(|| text.parse().ok());
    moment.ok_or_else(|| Error::usage("bad_date", format!("Not a date: {text}")).hint("write it as 2027-01-01"))
}

/// What a backup of a plan with a policy does at its end, at every destination that has the new backup: the same
/// as the command, without anybody to ask.
pub fn after_backup(
    plan: &Plan,
    made: &Manifest,
    places: &[&Place],
    session: &Session,
    context: &Context,
    mut reply: Reply,
) -> Reply {
    // Only a verified backup of the series itself starts retention: an export is none, and what is made before a
    // migration comes at a time at which nothing should go.
    if made.verified.is_none() || made.format == Format::Csv || made.kind.is_protected() {
        return reply;
    }
    for place in places {
        let name = goes_to(session, plan, place).ok().flatten();
        let Some(policy) = name.map_or(plan.retention.as_ref(), |name| plan.retention_of(&name)) else { continue };
        let rule = Rule::Policy { policy, once: false };
        let request =
            Request { plan: &plan.name, rule, trigger: Trigger::VerifiedBackup, confirmed: None, damaged: &[] };
        match prune::run(place.store.as_ref(), &request, context) {
            Ok(report) => tell::after_backup(&report, place, session, &mut reply),
            Err(error) => tell::not_pruned(&error, place, session, &mut reply),
        }
    }
    reply
}

/// `shop at here`, or `shop` when there is one place only.
fn name(series: &Series<'_>, shelf_places: usize) -> String {
    if shelf_places > 1 { format!("{} at {}", series.plan, series.place.name) } else { series.plan.clone() }
}

/// An error that does not end the command.
fn told(error: &Error) -> String {
    error_line(error)
}
