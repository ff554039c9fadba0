//! The command line is a contract: every page of help is a snapshot. A changed snapshot is a changed contract.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod shop;

use shop::Shop;

macro_rules! help {
    ($($name:ident: $words:literal),+ $(,)?) => {
        $(#[test]
        fn $name() {
            let told = Shop::new().run(concat!($words, " --help")).good();
            insta::assert_snapshot!(stringify!($name), told.out);
        })+
    };
}

help! {
    help: "",
    help_backup: "backup",
    help_list: "list",
    help_show: "show",
    help_verify: "verify",
    help_diff: "diff",
    help_protect: "protect",
    help_unprotect: "unprotect",
    help_delete: "delete",
    help_prune: "prune",
    help_trash: "trash",
    help_trash_list: "trash list",
    help_trash_put_back: "trash put-back",
    help_plan: "plan",
    help_plan_list: "plan list",
    help_plan_show: "plan show",
    help_plan_add: "plan add",
    help_plan_edit: "plan edit",
    help_plan_remove: "plan remove",
    help_plan_export: "plan export",
    help_plan_next: "plan next",
    help_doctor: "doctor",
    help_demo: "demo",
    help_copy: "copy",
    help_drive: "drive",
    help_drive_connect: "drive connect",
    help_notify: "notify",
    help_notify_test: "notify test",
    help_config: "config",
    help_config_print: "config print",
    help_completions: "completions",
    help_keys: "keys",
    help_keys_new: "keys new",
    help_keys_show: "keys show",
    help_keys_rotate: "keys rotate",
    help_keys_test: "keys test",
    help_recovery_kit: "recovery-kit",
}

#[test]
fn the_version_names_sqlite_too() {
    let told = Shop::new().run("--version").good();
    assert_eq!(told.out, format!("recoup {} (SQLite {})\n", env!("CARGO_PKG_VERSION"), rusqlite::version()));
}

#[test]
fn completions_know_every_command_and_level() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let told = Shop::new().run(&format!("completions {shell}")).good();
        for word in ["backup", "unprotect", "doctor"] {
            assert!(told.out.contains(word), "{shell}: {word}");
        }
        // clap writes the values of options for these three only.
        for word in ["integrity", "pre-migration"].iter().filter(|_| ["bash", "zsh", "fish"].contains(&shell)) {
            assert!(told.out.contains(word), "{shell}: {word}");
        }
    }
    let bash = Shop::new().run("completions bash").out;
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("completions");
    std::fs::write(&script, bash).unwrap();
    let syntax = std::process::Command::new("bash").arg("-n").arg(&script).status().unwrap();
    assert!(syntax.success());
}
