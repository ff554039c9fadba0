//! Pausing everything: no schedule starts a run until somebody resumes, or until the end that was said. What is due meanwhile
//! stays due, and becomes one run then. What people start by hand runs all the same. Kept in the catalog, so that a restart
//! changes nothing; a pause that has ended is none, and nobody has to take it away.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::audit::event;
use super::{Actor, Engine};
use crate::error::{Error, Result};
use crate::model::duration;
use crate::model::user::Role;

/// Under which name the catalog keeps it.
const NAME: &str = "pause";

/// Everything is paused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Since when.
    pub since: Timestamp,
    /// Until when; `None` is until somebody resumes.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// Who did it, by name.
    pub by: Option<String>,
}

/// The end of a pause as people write it: `1h` from now, `tomorrow` (the next midnight of the zone), or a time.
fn end(text: &str, now: Timestamp, zone: &str) -> Result<Timestamp> {
    let hint = "write how long (1h, 2d), \"tomorrow\", or a time such as 2026-11-22T14:00:00Z";
    let wrong = || Error::usage("bad_until", format!("Not an end of a pause: {text}")).hint(hint);
    let until = match text {
        "tomorrow" => {
            let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
            let midnight = now.to_zoned(zone.clone()).date().tomorrow().and_then(|day| day.to_zoned(zone));
            midnight.map_err(|_| wrong())?.timestamp()
        }
        _ => match duration::parse(text) {
            Some(length) => now.checked_add(length).map_err(|_| wrong())?,
            None => text.parse().map_err(|_| wrong())?,
        },
    };
    if until <= now {
        let text = format!("The end of the pause is not in the future: {text}");
        return Err(Error::usage("bad_until", text).hint(hint));
    }
    Ok(until)
}

impl Engine {
    /// Whether everything is paused.
    pub async fn paused(&self) -> Result<Option<Pause>> {
        let kept = self.catalog.setting(NAME).await?;
        let pause: Option<Pause> = kept.and_then(|text| serde_json::from_str(&text).ok()).flatten();
        let now = self.clock().now();
        Ok(pause.filter(|pause| pause.until.is_none_or(|until| now < until)))
    }

    /// Pauses everything: until `until` (`1h`, `tomorrow`, a time), or until somebody resumes. What is paused already gets
    /// this end. For admins. Again changes nothing. Recorded before it happens.
    pub async fn pause(&self, who: &Actor, until: Option<&str>) -> Result<Pause> {
        who.must_be(Role::Admin)?;
        let now = self.clock().now();
        let until = until.map(|text| end(text, now, &self.settings().zone)).transpose()?;
        let before = self.paused().await?;
        if let Some(same) = before.clone().filter(|before| before.until == until) {
            return Ok(same);
        }
        let by = match &who.account {
            Some(id) => self.catalog.account(id).await?.map(|account| account.name),
            None => None,
        };
        let pause = Pause { since: before.map_or(now, |before| before.since), until, by };
        self.set_pause(who, "scheduler.paused", Some(&pause), &pause).await?;
        Ok(pause)
    }

    /// Lets every schedule go on. For admins. Again changes nothing. Recorded before it happens.
    pub async fn resume(&self, who: &Actor) -> Result<()> {
        who.must_be(Role::Admin)?;
        match self.paused().await? {
            Some(before) => self.set_pause(who, "scheduler.resumed", None, &before).await,
            None => Ok(()),
        }
    }

    async fn set_pause(&self, who: &Actor, name: &str, pause: Option<&Pause>, told: &Pause) -> Result<()> {
        let details = json!({ "paused_since": told.since, "until": told.until });
        self.audit(who, event(name, ("setting", NAME), "update", true, details)).await?;
        self.catalog.set_setting(NAME, &json!(pause).to_string()).await
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_length_the_next_midnight_or_a_time_and_always_ahead() {
        let now: Timestamp = "2026-10-24T22:30:00Z".parse().unwrap();
        let good = |text: &str| end(text, now, "Europe/Berlin").unwrap().to_string();
        assert_eq!(good("1h"), "2026-10-24T23:30:00Z");
        assert_eq!(good("1d 30m"), "2026-10-25T23:00:00Z");
        // It is half past midnight there, and summer time ends in the coming night.
        assert_eq!(good("tomorrow"), "2026-10-25T23:00:00Z");
        assert_eq!(end("tomorrow", now, "UTC").unwrap().to_string(), "2026-10-25T00:00:00Z");
        assert_eq!(good("2026-10-25T01:00:00+02:00"), "2026-10-24T23:00:00Z");
    }

    #[test]
    fn what_is_no_end_or_past_is_refused_with_a_hint() {
        let now: Timestamp = "2026-10-24T22:30:00Z".parse().unwrap();
        let past = ["0s", "2026-10-24T22:30:00Z", "2020-01-01T00:00:00Z"];
        let none = ["", "soon", "-1h", "1 month", "Tomorrow", "2026-10-25", "2026-10-25T12:00:00", "99999999999h"];
        for text in past.into_iter().chain(none) {
            let error = end(text, now, "UTC").unwrap_err();
            assert_eq!(
                (error.code(), error.message().contains("future")),
                ("bad_until", past.contains(&text)),
                "{text}"
            );
        }
    }
}
