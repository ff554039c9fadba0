//! Accounts, their sign-ins and their tokens. Secrets arrive here hashed and are compared by their hash: the
//! catalog never holds one that could be used.

use jiff::{SignedDuration, Timestamp};

use super::Catalog;
use super::failure::{failed, is_taken};
use super::row::{Columns, ms};
use super::statement::Statement;
use crate::error::{Error, ErrorKind, Result};
use crate::model::user::{Role, Scope};

/// A person, or the daemon's own account.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// ULID.
    pub id: String,
    /// What they sign in with.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// argon2id, in PHC form; `None` signs in only through something else (a proxy, an embedding application).
    pub password: Option<String>,
    /// May not sign in.
    pub disabled: bool,
    /// Since when.
    pub created_at: Timestamp,
}

/// Somebody's sign-in on one browser.
#[derive(Debug, Clone, PartialEq)]
pub struct Login {
    /// Whose.
    pub account: Account,
    /// Since when.
    pub created_at: Timestamp,
    /// Last used.
    pub seen_at: Timestamp,
    /// When the password was last given.
    pub proven_at: Timestamp,
}

/// A token, without its secret.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    /// ULID.
    pub id: String,
    /// Whose.
    pub account: String,
    /// Given by its owner.
    pub name: String,
    /// What it may do.
    pub scope: Scope,
    /// Since when.
    pub created_at: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
    /// Last used.
    pub used_at: Option<Timestamp>,
}

/// How exactly it is kept when a token was last used.
const USED_TO: SignedDuration = SignedDuration::from_mins(1);

const ACCOUNT: &str = "a.id, a.name, a.role, a.password, a.disabled, a.created_at";

fn account(row: &sqlx::any::AnyRow) -> Result<Account> {
    let row = Columns(row);
    Ok(Account {
        id: row.text("id")?,
        name: row.text("name")?,
        role: row.word("role")?,
        password: row.maybe_text("password")?,
        disabled: row.truth("disabled")?,
        created_at: row.time("created_at")?,
    })
}

fn token(row: &sqlx::any::AnyRow) -> Result<Token> {
    let row = Columns(row);
    Ok(Token {
        id: row.text("id")?,
        account: row.text("account")?,
        name: row.text("name")?,
        scope: row.word("scope")?,
        created_at: row.time("created_at")?,
        expires_at: row.time("expires_at")?,
        used_at: row.maybe_time("used_at")?,
    })
}

impl Catalog {
    /// Adds an account; its name must be free.
    pub async fn add_account(&self, account: &Account) -> Result<()> {
        let sql =
            "INSERT INTO account (id, name, role, password, disabled, created_at) VALUES ($1, $2, $3, $4, $5, $6)";
        let done = sqlx::query(sql)
            .bind(&account.id)
            .bind(&account.name)
            .bind(account.role.word())
            .bind(&account.password)
            .bind(i64::from(account.disabled))
            .bind(ms(account.created_at))
            .execute(&self.pool)
            .await;
        match done {
            Err(error) if is_taken(&error) => {
                let text = format!("There is a user of that name: {}", account.name);
                Err(Error::new(ErrorKind::WouldOverwrite, "user_exists", text))
            }
            done => done.map(drop).map_err(|error| failed("adding a user", error)),
        }
    }

    /// Everybody, by name.
    pub async fn accounts(&self) -> Result<Vec<Account>> {
        let rows = sqlx::query("SELECT * FROM account a ORDER BY a.name").fetch_all(&self.pool).await;
        rows.map_err(|error| failed("listing users", error))?.iter().map(account).collect()
    }

    /// By id.
    pub async fn account(&self, id: &str) -> Result<Option<Account>> {
        let row = sqlx::query("SELECT * FROM account a WHERE a.id = $1").bind(id).fetch_optional(&self.pool).await;
        row.map_err(|error| failed("reading a user", error))?.as_ref().map(account).transpose()
    }

    /// By name.
    pub async fn account_named(&self, name: &str) -> Result<Option<Account>> {
        let row = sqlx::query("SELECT * FROM account a WHERE a.name = $1").bind(name).fetch_optional(&self.pool).await;
        row.map_err(|error| failed("reading a user", error))?.as_ref().map(account).transpose()
    }

    /// Changes role, password and whether it is disabled. Ends every sign-in of an account whose password changed or that
    /// is disabled. The last admin who can sign in stays one: code `last_admin`.
    pub async fn update_account(&self, changed: &Account) -> Result<()> {
        let doing = |error| failed("changing a user", error);
        let mut change = self.pool.begin().await.map_err(doing)?;
        if self.is_postgres() {
            // Two admins who take the role from each other at once would both see the other one still there.
            let lock = "SELECT id FROM account WHERE role = 'admin' ORDER BY id FOR NO KEY UPDATE";
            sqlx::query(lock).fetch_all(&mut *change).await.map_err(doing)?;
        }
        // A change first: SQLite then has its lock from the beginning and sees what is.
        let ended = "DELETE FROM login WHERE account = $1 AND EXISTS (
            SELECT 1 FROM account a WHERE a.id = $1 AND ($3 = 1 OR a.password IS DISTINCT FROM $2))";
        sqlx::query(ended)
            .bind(&changed.id)
            .bind(&changed.password)
            .bind(i64::from(changed.disabled))
            .execute(&mut *change)
            .await
            .map_err(doing)?;
        let sql = "UPDATE account SET role = $2, password = $3, disabled = $4 WHERE id = $1 AND (
            ($2 = 'admin' AND $3 IS NOT NULL AND $4 = 0) OR role <> 'admin' OR password IS NULL OR disabled = 1 OR EXISTS (
                SELECT 1 FROM account o WHERE o.id <> $1 AND o.role = 'admin' AND o.disabled = 0 AND o.password IS NOT NULL))";
        let done = sqlx::query(sql)
            .bind(&changed.id)
            .bind(changed.role.word())
            .bind(&changed.password)
            .bind(i64::from(changed.disabled))
            .execute(&mut *change)
            .await
            .map_err(doing)?;
        if done.rows_affected() == 0 {
            change.rollback().await.map_err(doing)?;
            self.account(&changed.id).await?.ok_or_else(user_missing)?;
            return Err(Error::new(ErrorKind::WouldOverwrite, "last_admin", "The last admin stays one"));
        }
        change.commit().await.map_err(doing)
    }

    /// Notes that somebody signed in. `id` is the hash of the session's secret.
    pub async fn add_login(&self, id: &str, account: &str, now: Timestamp) -> Result<()> {
        let sql = "INSERT INTO login (id, account, created_at, seen_at, proven_at) VALUES ($1, $2, $3, $3, $3)";
        let done = sqlx::query(sql).bind(id).bind(account).bind(ms(now)).execute(&self.pool).await;
        done.map(drop).map_err(|error| failed("signing in", error))
    }

    /// The sign-in of a hash if it is not older than `absolute`, was used within `idle` and its account may sign in.
    pub async fn login(
        &self,
        id: &str,
        now: Timestamp,
        idle: SignedDuration,
        absolute: SignedDuration,
    ) -> Result<Option<Login>> {
        let sql = format!(
            "SELECT {ACCOUNT}, l.created_at AS since, l.seen_at, l.proven_at FROM login l JOIN account a ON a.id = l.account
             WHERE l.id = $1 AND l.seen_at > $2 AND l.created_at > $3 AND a.disabled = 0"
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(id)
            .bind(ms(now) - millis(idle))
            .bind(ms(now) - millis(absolute))
            .fetch_optional(&self.pool)
            .await
            .map_err(|error| failed("reading a sign-in", error))?;
        let Some(row) = row else { return Ok(None) };
        let columns = Columns(&row);
        Ok(Some(Login {
            account: account(&row)?,
            created_at: columns.time("since")?,
            seen_at: columns.time("seen_at")?,
            proven_at: columns.time("proven_at")?,
        }))
    }

    /// Notes that a sign-in was used; with `proven`, that the password was given again.
    pub async fn touch_login(&self, id: &str, now: Timestamp, proven: bool) -> Result<()> {
        let sql = if proven {
            "UPDATE login SET seen_at = $2, proven_at = $2 WHERE id = $1"
        } else {
            "UPDATE login SET seen_at = $2 WHERE id = $1"
        };
        let done = sqlx::query(sql).bind(id).bind(ms(now)).execute(&self.pool).await;
        done.map(drop).map_err(|error| failed("noting a sign-in", error))
    }

    /// Ends one sign-in.
    pub async fn end_login(&self, id: &str) -> Result<()> {
        let done = sqlx::query("DELETE FROM login WHERE id = $1").bind(id).execute(&self.pool).await;
        done.map(drop).map_err(|error| failed("signing out", error))
    }

    /// Ends every sign-in of an account but one.
    pub async fn end_logins(&self, account: &str, but: Option<&str>) -> Result<u64> {
        let sql = "DELETE FROM login WHERE account = $1 AND id <> $2";
        let done = sqlx::query(sql).bind(account).bind(but.unwrap_or("")).execute(&self.pool).await;
        Ok(done.map_err(|error| failed("signing out", error))?.rows_affected())
    }

    /// Adds a token; `hash` is that of its secret.
    pub async fn add_token(&self, token: &Token, hash: &str) -> Result<()> {
        let sql = "INSERT INTO token (id, account, name, hash, scope, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let done = sqlx::query(sql)
            .bind(&token.id)
            .bind(&token.account)
            .bind(&token.name)
            .bind(hash)
            .bind(token.scope.word())
            .bind(ms(token.created_at))
            .bind(ms(token.expires_at))
            .execute(&self.pool)
            .await;
        done.map(drop).map_err(|error| failed("adding a token", error))
    }

    /// The tokens of an account, or of everybody, newest first.
    pub async fn tokens(&self, account: Option<&str>) -> Result<Vec<Token>> {
        let mut sql =
            Statement::all("SELECT id, account, name, scope, created_at, expires_at, used_at FROM token WHERE 1 = 1");
        sql.also("account =", account);
        sql.end("ORDER BY id DESC");
        let rows = sql.query().fetch_all(&self.pool).await;
        rows.map_err(|error| failed("listing tokens", error))?.iter().map(token).collect()
    }

    /// The token of a hash that has not expired, and its owner, who may sign in; notes that it was used.
    pub async fn use_token(&self, hash: &str, now: Timestamp) -> Result<Option<(Token, Account)>> {
        let sql = format!(
            "SELECT {ACCOUNT}, t.id AS token, t.name AS called, t.scope, t.created_at AS since, t.expires_at, t.used_at
             FROM token t JOIN account a ON a.id = t.account WHERE t.hash = $1 AND t.expires_at > $2 AND a.disabled = 0"
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(hash).bind(ms(now)).fetch_optional(&self.pool).await;
        let Some(row) = row.map_err(|error| failed("reading a token", error))? else { return Ok(None) };
        let (owner, columns) = (account(&row)?, Columns(&row));
        let mut token = Token {
            id: columns.text("token")?,
            account: owner.id.clone(),
            name: columns.text("called")?,
            scope: columns.word("scope")?,
            created_at: columns.time("since")?,
            expires_at: columns.time("expires_at")?,
            used_at: columns.maybe_time("used_at")?,
        };
        // To the minute: a change for every request would make all of them wait for the disk, one after the other.
        if token.used_at.is_none_or(|used| now.duration_since(used).abs() >= USED_TO) {
            let noted = sqlx::query("UPDATE token SET used_at = $2 WHERE id = $1").bind(&token.id).bind(ms(now));
            noted.execute(&self.pool).await.map_err(|error| failed("noting a token", error))?;
            token.used_at = Some(now);
        }
        Ok(Some((token, owner)))
    }

    /// Removes a token of an account (of anybody with `None`); tells whether there was one.
    pub async fn remove_token(&self, id: &str, account: Option<&str>) -> Result<bool> {
        let mut sql = Statement::new("DELETE FROM token WHERE id = ", id);
        sql.also("account =", account);
        let done = sql.query().execute(&self.pool).await;
        Ok(done.map_err(|error| failed("removing a token", error))?.rows_affected() == 1)
    }
}

fn user_missing() -> Error {
    Error::new(ErrorKind::NotFound, "user_missing", "User not found")
}

fn millis(duration: SignedDuration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}
