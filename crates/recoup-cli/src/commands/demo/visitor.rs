//! The account of whoever tries the demo: an admin of a daemon that only this machine reaches, with a password that is new
//! each time and is printed with an address that has it filled in.

use recoup::Result;
use recoup::catalog::{Account, password};
use recoup::engine::{Actor, Engine};
use recoup::model::BackupId;
use recoup::model::audit::Event;
use recoup::model::user::Role;
use recoup_server::secret;
use serde_json::json;

/// Its name.
pub const NAME: &str = "demo";

/// Makes the account, or gives it a new password; returns that.
pub async fn password(engine: &Engine) -> Result<String> {
    // As easy to type as the code of a first set-up.
    let made = secret::new_code()?;
    let hash = Some(password::hash(&made)?);
    let now = engine.clock().now();
    let known = engine.catalog().account_named(NAME).await?;
    let (name, action) = if known.is_some() { ("user.changed", "update") } else { ("user.created", "create") };
    let account = match known {
        Some(known) => Account { password: hash, disabled: false, ..known },
        None => Account {
            id: BackupId::generate(now).to_string(),
            name: NAME.to_owned(),
            role: Role::Admin,
            password: hash,
            disabled: false,
            created_at: now,
        },
    };
    let event = Event {
        event: name.to_owned(),
        user: None,
        resource_type: "user".to_owned(),
        resource_id: account.id.clone(),
        action: action.to_owned(),
        success: true,
        details: json!({ "name": NAME, "role": account.role.word() }),
    };
    engine.audit(&Actor::daemon(), event).await?;
    match action {
        "create" => engine.catalog().add_account(&account).await?,
        _ => engine.catalog().update_account(&account).await?,
    }
    Ok(made)
}
