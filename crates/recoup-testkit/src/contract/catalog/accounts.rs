//! Accounts, sign-ins, tokens.

use jiff::SignedDuration;
use recoup::ErrorKind;
use recoup::catalog::{Account, Token};
use recoup::model::user::{Role, Scope};

use super::{Place, after, id, noon};

const IDLE: SignedDuration = SignedDuration::from_mins(30);
const ABSOLUTE: SignedDuration = SignedDuration::from_hours(12);

pub async fn a_name_is_given_once(place: Place) {
    let anna = place.account("anna", Role::Admin).await;
    let error = place.catalog.add_account(&Account { id: id(), ..anna.clone() }).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::WouldOverwrite, "user_exists"));
    let error = place.catalog.add_account(&Account { name: "other".into(), ..anna }).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldOverwrite);
    assert_eq!(place.catalog.accounts().await.unwrap().len(), 1);
}

pub async fn an_account_comes_back_as_it_went_in(place: Place) {
    let anna = place.account("änna 🦀", Role::Viewer).await;
    let own = Account {
        id: id(),
        name: "recoup".into(),
        role: Role::Admin,
        password: None,
        disabled: true,
        created_at: noon(),
    };
    place.catalog.add_account(&own).await.unwrap();
    assert_eq!(place.catalog.account(&anna.id).await.unwrap(), Some(anna.clone()));
    assert_eq!(place.catalog.account_named("recoup").await.unwrap(), Some(own.clone()));
    assert_eq!(place.catalog.account_named("Recoup").await.unwrap(), None);
    assert_eq!(place.catalog.account("nobody").await.unwrap(), None);
    let mut all = place.catalog.accounts().await.unwrap();
    all.sort_by(|a, b| b.name.cmp(&a.name));
    assert_eq!(all, [anna, own]);
}

pub async fn a_new_password_or_a_lock_ends_every_sign_in(place: Place) {
    let root = place.account("root", Role::Admin).await;
    let anna = place.account("anna", Role::Operator).await;
    place.catalog.add_login("roots", &root.id, noon()).await.unwrap();
    let signed_in = async || place.catalog.login("annas", noon(), IDLE, ABSOLUTE).await.unwrap().is_some();
    place.catalog.add_login("annas", &anna.id, noon()).await.unwrap();
    place.catalog.update_account(&Account { role: Role::Viewer, ..anna.clone() }).await.unwrap();
    assert!(signed_in().await);
    let changed = Account { password: Some("new".into()), ..anna.clone() };
    place.catalog.update_account(&changed).await.unwrap();
    assert!(!signed_in().await);
    assert_eq!(place.catalog.account(&anna.id).await.unwrap(), Some(changed));

    place.catalog.add_login("annas", &anna.id, noon()).await.unwrap();
    place.catalog.update_account(&Account { disabled: true, ..anna.clone() }).await.unwrap();
    assert!(!signed_in().await);
    // The sign-in is gone, not only refused.
    place.catalog.update_account(&Account { disabled: false, ..anna.clone() }).await.unwrap();
    assert!(!signed_in().await);
    assert!(place.catalog.login("roots", noon(), IDLE, ABSOLUTE).await.unwrap().is_some());
}

pub async fn the_last_admin_stays_one(place: Place) {
    let root = place.account("root", Role::Admin).await;
    // Neither of these could let somebody in again.
    let own = Account { id: id(), name: "recoup".into(), password: None, ..root.clone() };
    place.catalog.add_account(&own).await.unwrap();
    let gone = Account { id: id(), name: "gone".into(), disabled: true, ..root.clone() };
    place.catalog.add_account(&gone).await.unwrap();
    place.catalog.add_login("roots", &root.id, noon()).await.unwrap();
    for refused in [
        Account { role: Role::Operator, ..root.clone() },
        Account { disabled: true, ..root.clone() },
        Account { password: None, ..root.clone() },
    ] {
        let error = place.catalog.update_account(&refused).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::WouldOverwrite, "last_admin"));
    }
    assert_eq!(place.catalog.account(&root.id).await.unwrap(), Some(root.clone()));
    assert!(place.catalog.login("roots", noon(), IDLE, ABSOLUTE).await.unwrap().is_some());
    // Their password they may change, and others may lose what they never had.
    place.catalog.update_account(&Account { password: Some("new".into()), ..root.clone() }).await.unwrap();
    place.catalog.update_account(&Account { role: Role::Viewer, ..own }).await.unwrap();
    place.catalog.update_account(&Account { role: Role::Viewer, ..gone }).await.unwrap();

    place.account("second", Role::Admin).await;
    place.catalog.update_account(&Account { role: Role::Operator, ..root.clone() }).await.unwrap();
    let nobody = Account { id: id(), ..root };
    let error = place.catalog.update_account(&nobody).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::NotFound, "user_missing"));
}

pub async fn two_admins_cannot_take_the_role_from_each_other_at_once(place: Place) {
    for turn in 0..20 {
        let one = place.account(&format!("one {turn}"), Role::Admin).await;
        let two = place.account(&format!("two {turn}"), Role::Admin).await;
        let without = |account: &Account| Account { role: Role::Operator, ..account.clone() };
        let (a, b) = (without(&one), without(&two));
        let (a, b) = tokio::join!(place.catalog.update_account(&a), place.catalog.update_account(&b));
        assert_eq!(usize::from(a.is_ok()) + usize::from(b.is_ok()), 1, "{a:?} {b:?}");
        place.behind_its_back("DELETE FROM account").await;
    }
}

pub async fn a_sign_in_ends_when_it_is_idle_or_old(place: Place) {
    let anna = place.account("anna", Role::Operator).await;
    place.catalog.add_login("hash", &anna.id, noon()).await.unwrap();
    let at = async |seconds| place.catalog.login("hash", after(seconds), IDLE, ABSOLUTE).await.unwrap();
    let login = at(1799).await.unwrap();
    assert_eq!(login.account, anna);
    assert_eq!((login.created_at, login.seen_at, login.proven_at), (noon(), noon(), noon()));
    assert_eq!(at(1800).await, None);
    for half_hour in 1..=24 {
        place.catalog.touch_login("hash", after(half_hour * 1799), half_hour == 3).await.unwrap();
    }
    let login = at(12 * 3600 - 1).await.unwrap();
    assert_eq!((login.seen_at, login.proven_at), (after(24 * 1799), after(3 * 1799)));
    assert_eq!(at(12 * 3600).await, None);
    assert_eq!(place.catalog.login("other", noon(), IDLE, ABSOLUTE).await.unwrap(), None);
}

pub async fn one_browser_can_stay_signed_in_when_the_others_are_not(place: Place) {
    let anna = place.account("anna", Role::Operator).await;
    let root = place.account("root", Role::Admin).await;
    for name in ["a", "b", "c"] {
        place.catalog.add_login(name, &anna.id, noon()).await.unwrap();
    }
    place.catalog.add_login("r", &root.id, noon()).await.unwrap();
    let there = async |name: &str| place.catalog.login(name, noon(), IDLE, ABSOLUTE).await.unwrap().is_some();
    place.catalog.end_login("a").await.unwrap();
    assert!(!there("a").await && there("b").await);
    assert_eq!(place.catalog.end_logins(&anna.id, Some("c")).await.unwrap(), 1);
    assert!(!there("b").await && there("c").await);
    assert_eq!(place.catalog.end_logins(&anna.id, None).await.unwrap(), 1);
    assert!(!there("c").await && there("r").await);
}

fn token(account: &Account, name: &str) -> Token {
    Token {
        id: id(),
        account: account.id.clone(),
        name: name.into(),
        scope: Scope::Run,
        created_at: noon(),
        expires_at: after(60),
        used_at: None,
    }
}

pub async fn a_token_works_until_it_expires_and_only_for_who_may_sign_in(place: Place) {
    let root = place.account("root", Role::Admin).await;
    let anna = place.account("anna", Role::Operator).await;
    let one = token(&anna, "cron");
    place.catalog.add_token(&one, "hash").await.unwrap();
    assert_eq!(place.catalog.tokens(Some(&anna.id)).await.unwrap(), std::slice::from_ref(&one));
    let (used, owner) = place.catalog.use_token("hash", after(59)).await.unwrap().unwrap();
    assert_eq!(owner, anna);
    assert_eq!(used, Token { used_at: Some(after(59)), ..one });
    assert_eq!(place.catalog.tokens(Some(&anna.id)).await.unwrap(), [used]);
    assert_eq!(place.catalog.use_token("hash", after(60)).await.unwrap(), None);
    assert_eq!(place.catalog.use_token("other", noon()).await.unwrap(), None);
    place.catalog.update_account(&Account { disabled: true, ..anna }).await.unwrap();
    assert_eq!(place.catalog.use_token("hash", noon()).await.unwrap(), None);
    assert_eq!(place.catalog.tokens(Some(&root.id)).await.unwrap(), []);
}

pub async fn a_token_is_removed_by_its_owner_only(place: Place) {
    let anna = place.account("anna", Role::Operator).await;
    let bert = place.account("bert", Role::Operator).await;
    let (one, two) = (token(&anna, "one"), token(&bert, "two"));
    place.catalog.add_token(&one, "1").await.unwrap();
    place.catalog.add_token(&two, "2").await.unwrap();
    assert_eq!(place.catalog.tokens(None).await.unwrap().len(), 2);
    assert!(!place.catalog.remove_token(&one.id, Some(&bert.id)).await.unwrap());
    assert!(place.catalog.remove_token(&one.id, Some(&anna.id)).await.unwrap());
    assert!(!place.catalog.remove_token(&one.id, Some(&anna.id)).await.unwrap());
    assert_eq!(place.catalog.use_token("1", noon()).await.unwrap(), None);
    assert!(place.catalog.remove_token(&two.id, None).await.unwrap());
    assert_eq!(place.catalog.tokens(None).await.unwrap(), []);
}
