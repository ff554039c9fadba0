// Made by `npm run api` from the server's OpenAPI document. Not edited by hand.
export interface paths {
    "/api/v1/audit": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists events, newest first. */
        get: operations["audit_list"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/audit/export": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Everything, oldest first, as a file. */
        get: operations["audit_export"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/audit/verify": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Checks that no event was changed, removed or cut off. */
        get: operations["audit_verify"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/backups": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists backups, newest first: one's own, an admin's list has everybody's. */
        get: operations["backups_list"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/backups/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Reads a backup. */
        get: operations["backups_read"];
        put?: never;
        post?: never;
        /**
         * Deletes a backup everywhere. In a folder it waits in the trash for a day, elsewhere it is gone. The last good one of a plan
         *     only with force.
         */
        delete: operations["backups_remove"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/backups/{id}/contents": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists what is in a backup. */
        get: operations["backups_contents"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/backups/{id}/copy": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Copies a backup to one more destination, whatever retention would keep there. */
        post: operations["backups_copy"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/backups/{id}/diff": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Compares a backup with the live data or with another backup. *Added* is what only the right side has. */
        get: operations["backups_diff"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/backups/{id}/download": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Downloads a backup as one file, whole or a range of it. */
        get: operations["backups_download"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/backups/{id}/file": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Downloads one file of a backup. */
        get: operations["backups_file"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/backups/{id}/files": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists a folder in a backup, or searches below it by name. */
        get: operations["backups_files"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/backups/{id}/protection": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** Protects a backup from retention. */
        put: operations["backups_protect"];
        post?: never;
        /** Lifts the protection of a backup. Needs the password of just now. */
        delete: operations["backups_unprotect"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/backups/{id}/selection": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Downloads files and folders of a backup as one ZIP. Symbolic links are left out. */
        get: operations["backups_selection"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/backups/{id}/tables/{table}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Reads the first rows of a table in a backup. What looks like a secret is hidden. */
        get: operations["backups_rows"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/backups/{id}/verify": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Proves every copy of a backup. */
        post: operations["backups_verify"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/calendar": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Tells what ended on each of some days, and what is planned. */
        get: operations["runs_calendar"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/channels": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the ways to tell people. */
        get: operations["channels_channels"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/channels/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Reads how a channel is declared. */
        get: operations["channels_channel"];
        put?: never;
        /** Adds a channel: the keys of its table in recoup.toml. For admins. */
        post: operations["channels_add_channel"];
        /** Removes a channel that was added here and that no plan names. For admins. */
        delete: operations["channels_remove_channel"];
        options?: never;
        head?: never;
        /** Merges a change into a channel that was added here (RFC 7386); what is absent stays. For admins. */
        patch: operations["channels_change_channel"];
        trace?: never;
    };
    "/api/v1/channels/{name}/try": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Sends a test message through a channel, as it is or as it would be with these keys. For admins. */
        post: operations["channels_try_channel"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/destinations": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the destinations of recoup.toml, and how each stands. */
        get: operations["destinations_list"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/destinations/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Reads how a destination is declared. */
        get: operations["destinations_destination"];
        put?: never;
        /** Adds a destination: the keys of its table in recoup.toml. For admins. */
        post: operations["destinations_add_destination"];
        /** Removes a destination that was added here and that no plan names; what lies there stays. For admins. */
        delete: operations["destinations_remove_destination"];
        options?: never;
        head?: never;
        /** Merges a change into a destination that was added here (RFC 7386); what is absent stays. For admins. */
        patch: operations["destinations_change_destination"];
        trace?: never;
    };
    "/api/v1/destinations/{name}/adopt": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Lists everything that lies at a destination, whoever made it. For admins. */
        post: operations["destinations_adopt"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/destinations/{name}/copy": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Copies to a destination now what it lacks of a plan; it would be done later by itself. Gives the run that waits for that, if
         *     one does.
         */
        post: operations["destinations_copy_missing"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/destinations/{name}/sign-in": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Tells how a destination in Google Drive stands; asked again every few seconds while somebody signs in. */
        get: operations["destinations_connection"];
        put?: never;
        /** Begins a sign-in to Google Drive: gives a page and a code to type there, good for ten minutes. For admins. */
        post: operations["destinations_connect"];
        /** Signs out of Google Drive, or stops a sign-in that waits. Backups there stay. For admins. */
        delete: operations["destinations_disconnect"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/destinations/{name}/test": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Writes, lists, reads and deletes a small object at a destination. */
        post: operations["destinations_test"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/destinations/{name}/try": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Writes, lists, reads and deletes a small object at a destination as it would be with these keys, before they are kept.
         *     For admins.
         */
        post: operations["destinations_try_destination"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/diagnostics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Everything that helps somebody to find out what is wrong, as one text: version, machine, self-checks, settings, how the
         *     destinations stand, runs that went wrong with the end of their log. Without secrets. For admins.
         */
        get: operations["system_diagnostics"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Tells what happens to one's runs; an admin sees everybody's. */
        get: operations["runs_all_events"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/files": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Finds the backups in which a file, a folder, a table or a part with a name lies, newest first. Looks into 50 backups at
         *     most, and for about ten seconds; `next` goes on.
         */
        get: operations["backups_find"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/growth": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Tells how full each destination was at the end of each day, and when it will be full. */
        get: operations["destinations_growth"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/health": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** How is the daemon? */
        get: operations["health_health"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/health/backups": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Is everything backed up? 503 when a plan is overdue, for monitors that look at nothing but the status. */
        get: operations["health_backups"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/look": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Looks at a path: is it there, may it be read, what is it. */
        get: operations["plans_look"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/look/databases": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Searches for SQLite databases below the folders that users may name (`roots`); where there are none, for an admin, below the
         *     folder of recoup.toml.
         */
        get: operations["plans_find"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/me": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Who am I? */
        get: operations["session_me"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/me/password": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Changes one's own password and ends every other sign-in. */
        post: operations["session_change_password"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/openapi.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The OpenAPI document of this version. */
        get: operations["documentation_openapi_json"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/overview": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Tells everything that the first page shows. */
        get: operations["health_overview"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/plans": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists plans by name: one's own, an admin's list has everybody's. */
        get: operations["plans_list"];
        put?: never;
        /** Makes a plan. */
        post: operations["plans_create"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/plans/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Reads a plan, by name or id. */
        get: operations["plans_read"];
        put?: never;
        post?: never;
        /** Removes a plan. Its backups stay. */
        delete: operations["plans_remove"];
        options?: never;
        head?: never;
        /**
         * Changes a plan: what is in the body is set, `null` removes (RFC 7396), everything else stays. With If-Match only if
         *     nobody changed it meanwhile. Removing what retention keeps, or switching it off, needs the password of just now.
         */
        patch: operations["plans_change"];
        trace?: never;
    };
    "/api/v1/plans/{name}/fresh": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Tells in one call whether there is a fresh verified backup of a plan. */
        get: operations["plans_fresh"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/plans/{name}/next": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Tells when a plan runs next by its schedule. */
        get: operations["schedule_next"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/plans/{name}/retention": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Tells what retention would keep and remove of a plan, and why. Changes nothing. */
        post: operations["retention_preview"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/plans/{name}/retention/draft": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Tells what another policy would keep and remove now. Changes nothing, and cannot be applied: first the plan is changed. */
        post: operations["retention_draft"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/plans/{name}/run": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Backs a plan up now. */
        post: operations["plans_run"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/plans/{name}/status": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Tells how a plan stands. */
        get: operations["plans_status"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/plans/{name}/undo": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Brings back the state before the last restore of a plan. Needs the password of just now. */
        post: operations["restores_undo"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/plans/{name}/verify": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Proves the newest backup of a plan. */
        post: operations["plans_verify"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/recovery-kit": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Makes the recovery kit, with this installation's values and without secrets. For admins. */
        get: operations["destinations_recovery_kit"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/restores": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Restores what was previewed. Needs `confirm` and the password of just now. */
        post: operations["restores_start"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/restores/preview": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Tells what a restore would do: what comes back, what changes, what is lost. Changes nothing. */
        post: operations["restores_preview"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/retention/{preview}/apply": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Removes exactly what a preview showed. Needs the password of just now. */
        post: operations["retention_apply"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists runs, newest first: one's own, an admin's list has everybody's. */
        get: operations["runs_list"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Reads a run. */
        get: operations["runs_read"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{id}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Asks a run to stop. One that waits ends at once, one that works as soon as it can. */
        post: operations["runs_cancel"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{id}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Tells what happens to a run: `run` events with state, progress, new lines of its log and its outcome; `resync` when
         *     the client was too slow and should read the run again.
         */
        get: operations["runs_events"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{id}/log": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Gives what a run told, a line each. */
        get: operations["runs_log"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/schedule/next": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Tells when a schedule would run. */
        post: operations["schedule_schedule"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/scheduler": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Tells what the scheduler is doing. */
        get: operations["scheduler_scheduler_state"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/scheduler/check": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Looks at the plans now and queues what is due. For admins. */
        post: operations["scheduler_scheduler_check"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/scheduler/pause": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Pauses everything: no schedule starts a run until it is resumed, or until the end that is given. What is paused already
         *     gets that end. What people start runs all the same. For admins.
         */
        post: operations["scheduler_pause"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/scheduler/resume": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Resumes everything: what was due meanwhile runs once. For admins. */
        post: operations["scheduler_resume"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/session": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Signs in. The answer sets a cookie; what changes something later also needs the header `X-Recoup`. */
        post: operations["session_sign_in"];
        /** Signs out. */
        delete: operations["session_sign_out"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/session/proof": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Gives the password again: for five minutes, what cannot be taken back may be done. */
        post: operations["session_prove"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/settings": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Reads the settings. */
        get: operations["settings_read"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        /** Changes the settings. What recoup.toml says stays. */
        patch: operations["settings_change"];
        trace?: never;
    };
    "/api/v1/settings/defaults": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists what holds for a plan that does not say otherwise, and where that comes from. */
        get: operations["settings_defaults"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/settings/values": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists every setting in effect and where it comes from. For admins. */
        get: operations["settings_values"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/setup": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Is a first admin still to be made? */
        get: operations["session_setup_state"];
        put?: never;
        /** Makes the first admin and signs them in. The code that the daemon printed works once. */
        post: operations["session_set_up"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/system": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Reads what the daemon says of itself and of the machine. For admins. */
        get: operations["system_read"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/tokens": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists one's own tokens; an admin's list has everybody's. */
        get: operations["tokens_list"];
        put?: never;
        /** Makes a token for oneself. Its secret is in this answer and nowhere else. */
        post: operations["tokens_create"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/tokens/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Removes a token: it works no more. An admin may remove anybody's. */
        delete: operations["tokens_remove"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/trash": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Lists what lies in the trash, what was deleted last first: one's own, an admin's list has everybody's. The destinations are
         *     asked.
         */
        get: operations["trash_list"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/trash/{backup}/put-back": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Puts a backup back from the trash, every copy of it. Its id, or its name there. Again, it is as it should be. */
        post: operations["trash_put_back"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/uploads": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Uploads a backup (ours, another application's ZIP of the documented layout, a database, a JSON export) and previews
         *     its restore. It is judged before anything is unpacked.
         */
        post: operations["uploads_upload"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/uploads/pieces": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Begins an upload in pieces that can be resumed for an hour after each. */
        post: operations["uploads_begin"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/uploads/pieces/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Tells how far an upload is. */
        get: operations["uploads_how_far"];
        put?: never;
        post?: never;
        /** Removes an upload. */
        delete: operations["uploads_give_up"];
        options?: never;
        head?: never;
        /** Adds a piece, which begins where `Upload-Offset` says: exactly at what has arrived so far. */
        patch: operations["uploads_piece"];
        trace?: never;
    };
    "/api/v1/uploads/pieces/{id}/finish": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Ends an upload whose pieces have all arrived, and previews its restore. */
        post: operations["uploads_finish"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/users": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists users. */
        get: operations["users_list"];
        put?: never;
        /** Creates a user. */
        post: operations["users_create"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/users/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Reads a user. */
        get: operations["users_read"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        /** Changes a user's role, password or whether they may sign in. The last admin stays one. */
        patch: operations["users_change"];
        trace?: never;
    };
    "/api/v1/users/{id}/sessions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Ends every sign-in of a user. */
        delete: operations["users_end_sessions"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/healthz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Is the process alive? */
        get: operations["health_alive"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Numbers for Prometheus. */
        get: operations["health_metrics"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/readyz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Can it do its work: does the catalog answer, does the scheduler run? */
        get: operations["health_ready"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description Long work that has begun or waits. */
        Accepted: {
            /** @description Id of the run: GET /api/v1/runs/{id} tells how far it is. */
            run: string;
        };
        /** @description What was taken over. */
        AdoptedView: {
            /** @description How many backups are listed now. */
            backups: number;
            /** @description Manifests that could not be read. */
            damaged: number;
            /** @description Names of the plans whose backups are there. */
            plans: string[];
        };
        /** @description That it answers. */
        Alive: {
            /** @description `ok`. */
            status: string;
        };
        /** @description Something that was done, or refused. */
        AuditEvent: {
            action: string;
            /** Format: date-time */
            at: string;
            details: unknown;
            /** @description Stable name, `restore.started`. */
            event: string;
            /** @description SHA-256 over the link before and everything above. */
            hash: string;
            resource_id: string;
            resource_type: string;
            /**
             * Format: int64
             * @description Its place in the chain.
             */
            seq: number;
            success: boolean;
            /** @description Id of the user; null for the daemon itself. */
            user?: string | null;
        };
        /** @description A backup with what is in it. */
        BackupDetail: components["schemas"]["BackupView"] & {
            /** Format: int64 */
            duration_ms: number;
            host?: string | null;
            /** @description The program that made it. */
            made_by: string;
            parts: components["schemas"]["PartView"][];
            warnings: components["schemas"]["Note"][];
        };
        /** @description Whether everything is backed up. */
        BackupsHealth: {
            /** @description No plan is overdue. */
            ok: boolean;
            plans: components["schemas"]["PlanHealth"][];
        };
        /** @description A backup. */
        BackupView: {
            /**
             * Format: int64
             * @description Bytes of one copy.
             */
            bytes: number;
            copies: components["schemas"]["CopyView"][];
            /**
             * Format: date-time
             * @description The consistent moment.
             */
            created_at: string;
            format: components["schemas"]["Format"];
            id: string;
            kind: components["schemas"]["Kind"];
            label?: string | null;
            /** @description Name of the plan. */
            plan: string;
            /** @description Never removed by retention. */
            protected: boolean;
            verified?: components["schemas"]["Level"] | null;
        };
        /** @description The backup that a folder was compared with. */
        BeforeView: {
            backup: string;
            /** Format: date-time */
            created_at: string;
            /** @description Why they could not be compared. */
            not_compared?: string | null;
        };
        /** @description What happened and what is to come. */
        CalendarView: {
            /** @description Days with runs that ended, from the log of runs; what retention removed since does not change them. */
            days: components["schemas"]["DayView"][];
            /** @description What the schedules say of the days after this moment, 60 days at most. */
            planned: components["schemas"]["PlannedView"][];
            /** Format: date */
            today: string;
            /** @description The time zone in which a day begins. */
            zone: string;
        };
        /** @description A database in a folder. */
        CandidateView: {
            /** Format: int64 */
            bytes: number;
            path: string;
        };
        /** @description A plan. */
        Card: {
            /** Format: int64 */
            backups: number;
            /** @description Recoup's own. */
            built_in: boolean;
            /**
             * Format: int64
             * @description Bytes of all copies.
             */
            bytes: number;
            /** @description What it reads, by kind. */
            covers: components["schemas"]["Covers"];
            /** @description The last 30 days, today last: how backups of the day ended, the worst of them; from the log of runs. */
            days: (components["schemas"]["Outcome"] | null)[];
            destinations: components["schemas"]["Where"][];
            enabled: boolean;
            format?: components["schemas"]["Format"] | null;
            /** Format: date-time */
            last_attempt?: string | null;
            last_outcome?: components["schemas"]["Outcome"] | null;
            /** Format: date-time */
            last_proven?: string | null;
            /** Format: date-time */
            last_success?: string | null;
            /** Format: date-time */
            last_verified?: string | null;
            latest?: components["schemas"]["Latest"] | null;
            name: string;
            /** Format: date-time */
            next_run?: string | null;
            off_disk?: string | null;
            /**
             * Format: date-time
             * @description The newest verified copy that is not on the disk of the data.
             */
            off_disk_at?: string | null;
            overdue: boolean;
            /** @description What is wrong with the document, when it cannot be understood. */
            problem?: string | null;
            /** @description Declared in recoup.toml or Recoup's own: not to be changed here. */
            read_only: boolean;
            /** @description The run that works on it now. */
            running?: string | null;
            /** @description The schedule in words; null when it runs only by hand. */
            schedule?: string | null;
            state: components["schemas"]["PlanState"];
            /** @description The zone of the schedule. */
            zone?: string | null;
        };
        /**
         * @description Why a run exists.
         * @enum {string}
         */
        Cause: "scheduled" | "manual" | "catch_up" | "retry";
        /**
         * @description What a cell holds.
         * @enum {string}
         */
        CellKind: "null" | "number" | "text" | "blob" | "hidden";
        /** @description A cell. */
        CellView: {
            /**
             * Format: int64
             * @description Length of a blob.
             */
            bytes?: number | null;
            kind: components["schemas"]["CellKind"];
            /** @description A number, or the first 300 characters of a text. */
            text?: string | null;
        };
        /** @description The ways to tell people. */
        Channels: {
            items: components["schemas"]["DeclaredView"][];
        };
        /** @description What a check of the chain found. */
        Checked: {
            /**
             * Format: int64
             * @description Number of the last event.
             */
            events: number;
            ok: boolean;
            problems: components["schemas"]["Found"][];
        };
        /** @description A self-check. */
        CheckView: {
            /** @description Of how many things. */
            count: number;
            name: components["schemas"]["CheckWord"];
            ok: boolean;
            /** @description Those that are not well. */
            wrong: string[];
        };
        /**
         * @description What is checked.
         * @enum {string}
         */
        CheckWord: "catalog" | "scheduler" | "plans" | "destinations" | "disk" | "clock";
        /** @description How a destination in Google Drive stands. */
        ConnectionView: {
            /** @description Why the last try came to nothing. */
            error?: string | null;
            /** @enum {string} */
            state: "signed_out";
        } | {
            code: string;
            /** @enum {string} */
            state: "waiting";
            url: string;
        } | {
            /** @description Whose account it is. */
            account?: string | null;
            /**
             * Format: int64
             * @description Bytes that are free.
             */
            free?: number | null;
            /** @enum {string} */
            state: "signed_in";
        };
        /** @description What is in a backup. */
        Contents: {
            parts: components["schemas"]["PartView"][];
        };
        /** @description Of which plan something is to be copied. */
        CopyMissingRequest: {
            /** @description Name of a plan that uses the destination. */
            plan: string;
        };
        /** @description Where a backup is to be copied to. */
        CopyRequest: {
            /** @description Name of a destination of recoup.toml or of the plan. */
            destination: string;
        };
        /** @description One copy of a backup. */
        CopyView: {
            /** Format: int64 */
            bytes: number;
            /** @description What verification found wrong with it. */
            damaged?: string | null;
            destination: string;
            /** @description The key of the file, when another program made it: it is only read. */
            foreign?: string | null;
            verified?: components["schemas"]["Level"] | null;
            /** Format: date-time */
            verified_at?: string | null;
        };
        /** @description How many plans there are of each state. */
        Counts: {
            at_risk: number;
            failing: number;
            never_run: number;
            paused: number;
            protected: number;
        };
        /** @description What a plan reads. */
        Covers: {
            commands: number;
            databases: number;
            directories: number;
            files: number;
            settings: number;
        };
        /** @description A run on a day. */
        DayRun: {
            /** Format: date-time */
            at: string;
            /** @description The backup that it made is not there any more: retention or somebody removed it. */
            gone: boolean;
            id: string;
            kind: components["schemas"]["RunKind"];
            outcome: components["schemas"]["Outcome"];
            plan: string;
        };
        /** @description A day on which something ended. */
        DayView: {
            /** Format: date */
            date: string;
            /** @description In the order in which they were to begin. */
            runs: components["schemas"]["DayRun"][];
        };
        /** @description What happens to one backup. */
        DecisionView: {
            /** Format: int64 */
            bytes: number;
            /** Format: date-time */
            created_at: string;
            id: string;
            keep: boolean;
            kind: components["schemas"]["Kind"];
            /** @description Why. */
            reasons: string[];
        };
        /**
         * @description Where something is declared.
         * @enum {string}
         */
        DeclaredOrigin: "file" | "catalog";
        /** @description A destination or channel. */
        DeclaredView: {
            /** @description Its keys as in recoup.toml (dots where tables are nested) and what may be shown of each; empty for who is no admin. */
            document: Record<string, never>;
            name: string;
            /** @description Where it is declared. */
            origin: components["schemas"]["DeclaredOrigin"];
            /** @description Names of the plans that name it. */
            used_by: string[];
            /**
             * Format: int64
             * @description The ETag without its quotes, of one that was added here.
             */
            version?: number | null;
        };
        /** @description The destinations. */
        Destinations: {
            items: components["schemas"]["DestinationView"][];
        };
        /** @description A destination. */
        DestinationView: {
            name: string;
            /** @description How it stands for each plan that uses it, of those that one may see. */
            plans: components["schemas"]["StandingView"][];
        };
        /** @description Why a request was not done. */
        Document: {
            /** @description Stable code, for scripts. */
            code: string;
            /** @description More about this occurrence. */
            detail?: string | null;
            /** @description What can be done about it. */
            hint?: string | null;
            /** @description The id under which the log has more. */
            request_id: string;
            /**
             * Format: int32
             * @description The status of the answer.
             */
            status: number;
            /** @description The sentence for people. */
            title: string;
            /** @description Names the kind of problem: `urn:recoup:problem:` and the code. */
            type: string;
        };
        /** @description Another policy is thought about. */
        DraftRequest: {
            /** @description As `retention` in a plan; null keeps everything. */
            retention?: Record<string, never> | null;
        };
        /** @description What another policy would do at one destination. */
        DraftSeries: components["schemas"]["SeriesView"] & {
            /** @description How many backups there would be in 90 days, those still to be made included. */
            in_90_days: number;
        };
        /** @description What another policy would do. */
        DraftView: {
            /** @description The destinations on this machine; the others when there are none. */
            destinations: components["schemas"]["DraftSeries"][];
        };
        /** @description How many sign-ins ended. */
        Ended: {
            /** Format: int64 */
            ended: number;
        };
        /** @description A destination at which something was not done. */
        FailedView: {
            destination: string;
            problem: components["schemas"]["Document"];
        };
        /**
         * @description What a thing in a tree is.
         * @enum {string}
         */
        FileKind: "file" | "directory" | "link";
        /** @description A folder, or what was found below it. */
        FilesView: {
            /** @description Folders first, then by name; at most 1000. */
            items: components["schemas"]["FileView"][];
            /** @description There is more than is listed. */
            more: boolean;
            since_previous?: components["schemas"]["BeforeView"] | null;
        };
        /** @description One thing in a tree. */
        FileView: {
            /**
             * Format: int64
             * @description Of a folder: of all files below it.
             */
            bytes: number;
            /**
             * Format: int64
             * @description Files below it, of a folder.
             */
            files: number;
            kind: components["schemas"]["FileKind"];
            /** Format: date-time */
            modified?: string | null;
            name: string;
            /** @description Where it lies in the part: what `path` takes. */
            path: string;
            since?: components["schemas"]["SinceWord"] | null;
            /** @description Where a link points. */
            target?: string | null;
        };
        /** @description The end of a day. */
        FilledDay: {
            /** Format: int64 */
            backups: number;
            /** Format: int64 */
            bytes: number;
            /** Format: date */
            date: string;
            /**
             * Format: int64
             * @description Bytes that were free, where that can be known.
             */
            free?: number | null;
        };
        /** @description How a destination fills. */
        FilledView: {
            /**
             * Format: double
             * @description By a straight line through the last 30 days; absent when less than three are known.
             */
            bytes_a_day?: number | null;
            /** @description The oldest first; days on which nothing changed are left out. */
            days: components["schemas"]["FilledDay"][];
            destination: string;
            /**
             * Format: date
             * @description When it is full at this pace, within ten years.
             */
            full_on?: string | null;
        };
        /**
         * @description The shape of a backup's bytes.
         * @enum {string}
         */
        Format: "archive" | "database" | "json" | "csv" | "both";
        /** @description Something wrong in the chain. */
        Found: {
            code: string;
            text: string;
        };
        /** @description A database that was found. */
        FoundDatabase: {
            /** Format: int64 */
            bytes: number;
            /**
             * Format: date-time
             * @description When it was last written to.
             */
            changed?: string | null;
            path: string;
        };
        /** @description Databases that were found. */
        FoundView: {
            /** @description What was written to last comes first; at most 50. */
            databases: components["schemas"]["FoundDatabase"][];
            /** @description The folders below which it was looked; none where nobody said which. */
            folders: string[];
            /** @description There may be more. */
            more: boolean;
        };
        /** @description Whether there is a fresh verified backup. */
        Fresh: {
            /** @description The newest verified backup that is fresh. */
            backup?: string | null;
            /** Format: date-time */
            created_at?: string | null;
            fresh: boolean;
        };
        /** @description How the destinations fill. */
        GrowthView: {
            items: components["schemas"]["FilledView"][];
        };
        /** @description How the daemon is. */
        Health: {
            /** @description Those without a verified backup within twice the interval of their schedule. */
            overdue: number;
            /** @description One's own plans; an admin's are everybody's. */
            plans: number;
            /**
             * Format: int64
             * @description Runs that wait.
             */
            queued: number;
            /**
             * Format: int64
             * @description Runs that are worked on.
             */
            running: number;
            /** @description Whether the scheduler runs; null where there is none. */
            scheduler?: boolean | null;
            /** @description `ok`, or `degraded` when the scheduler is stopped or a plan is overdue. */
            status: string;
            version: string;
        };
        /**
         * @description Why a backup exists.
         * @enum {string}
         */
        Kind: "scheduled" | "manual" | "pre_restore" | "pre_migration" | "upload";
        /** @description One page that tells how to get everything back on an empty machine. */
        KitView: {
            /** @description Markdown, without any secret. */
            text: string;
        };
        /** @description The newest backup of a plan. */
        Latest: {
            /** Format: int64 */
            bytes: number;
            /** Format: date-time */
            created_at: string;
            id: string;
            verified?: components["schemas"]["Level"] | null;
        };
        /**
         * @description How much is proven; each level includes the ones before it.
         * @enum {string}
         */
        Level: "checksum" | "integrity" | "restore";
        /** @description A path that was looked at. */
        LookView: {
            /**
             * Format: int64
             * @description Length of a file.
             */
            bytes: number;
            /** @description SQLite databases that lie in a folder, at most 20. */
            databases: components["schemas"]["CandidateView"][];
            kind: components["schemas"]["SightWord"];
            /** @description Absolute. */
            path: string;
            /** @description Tables of a database. */
            tables?: number | null;
            /** @description Why it cannot be read. */
            why?: string | null;
        };
        /** @description A token with its secret, which is shown this once. */
        MadeToken: components["schemas"]["TokenView"] & {
            /** @description Goes into `Authorization: Bearer`. */
            token: string;
        };
        /**
         * @description What has the name.
         * @enum {string}
         */
        MatchKind: "part" | "table" | "file" | "directory" | "link";
        /** @description One thing with the name. */
        MatchView: {
            /**
             * Format: int64
             * @description Length of a file or part.
             */
            bytes: number;
            kind: components["schemas"]["MatchKind"];
            /** @description Name of the part. */
            part: string;
            /** @description Where it lies in the part; of a table its name, of a part nothing. */
            path: string;
        };
        /** @description Who signed in, and what this request may do. */
        Me: {
            /** @description Whether the password was given within five minutes. */
            fresh: boolean;
            /** @description Id of the account. */
            id: string;
            name: string;
            role: components["schemas"]["Role"];
            scope: components["schemas"]["Scope"];
            /** @description How: `session`, `token` or `application`. */
            via: string;
        };
        /** @description A backup in which the name lies. */
        NamedBackup: {
            backup: components["schemas"]["BackupView"];
            /** @description The first few. */
            matches: components["schemas"]["MatchView"][];
            /**
             * Format: int64
             * @description How many there are.
             */
            total: number;
        };
        /** @description How far a search came. */
        NamedBackups: {
            /** @description Newest first. */
            items: components["schemas"]["NamedBackup"][];
            /** @description How many backups it looked into or passed. */
            looked: number;
            /** @description The cursor to go on with; absent when there is no backup left. */
            next?: string | null;
            passed: components["schemas"]["PassedBackup"][];
        };
        /** @description The old password and a new one. */
        NewPassword: {
            /**
             * Format: password
             * @description At least 12 characters.
             */
            new: string;
            /** Format: password */
            old: string;
        };
        /** @description A plan to be made. */
        NewPlan: {
            /** @description 1 to 64 of a-z, 0-9, `.`, `_` and `-`, beginning with a letter or a digit. */
            name: string;
            /** @description The document. */
            plan: Record<string, never>;
        };
        /** @description A token to be made. */
        NewToken: {
            /**
             * Format: int32
             * @description How long it works: 1 to 366 days; 90 when absent.
             */
            days?: number | null;
            /** @description To tell it from others. */
            name: string;
            scope: components["schemas"]["Scope"];
        };
        /** @description A user to be made. */
        NewUser: {
            /** @description What they sign in with: up to 64 characters without spaces. */
            name: string;
            /**
             * Format: password
             * @description At least 12 characters.
             */
            password: string;
            role: components["schemas"]["Role"];
        };
        /** @description When a plan will run. */
        NextRuns: {
            /** @description In order. */
            next: string[];
        };
        /** @description Something worth a look. */
        Note: {
            /** @description Stable, for scripts. */
            code: string;
            /** @description The sentence for people. */
            text: string;
        };
        /**
         * @description Where a value comes from.
         * @enum {string}
         */
        Origin: "file" | "catalog" | "default";
        /**
         * @description Where a setting comes from.
         * @enum {string}
         */
        OriginWord: "default" | "file" | "environment" | "command_line";
        /**
         * @description How a run ended.
         * @enum {string}
         */
        Outcome: "good" | "warnings" | "failed" | "cancelled" | "interrupted" | "missed";
        /** @description The first page. */
        Overview: {
            /** @description What waits or is worked on. */
            active: components["schemas"]["RunView"][];
            /** @description The newest. */
            backups: components["schemas"]["BackupView"][];
            /** @description Channels that can be told; without one a failure is seen here only. */
            channels: number;
            /** @description How many plans there are of each state; Recoup's own is not counted. */
            counts: components["schemas"]["Counts"];
            /** @description Whether there is a recoup.toml with plans, which can be changed there only. */
            from_file: boolean;
            /**
             * Format: date-time
             * @description The server's clock.
             */
            now: string;
            paused?: components["schemas"]["PauseView"] | null;
            /** @description Those that need somebody first. */
            plans: components["schemas"]["Card"][];
            recovery: components["schemas"]["Recovery"];
            /** @description The newest, running ones included. */
            runs: components["schemas"]["RunView"][];
            version: string;
            /** @description The time zone of the server. */
            zone: string;
        };
        /** @description A page of a list. */
        Page_AuditEvent: {
            /** @description What is on it. */
            items: {
                action: string;
                /** Format: date-time */
                at: string;
                details: unknown;
                /** @description Stable name, `restore.started`. */
                event: string;
                /** @description SHA-256 over the link before and everything above. */
                hash: string;
                resource_id: string;
                resource_type: string;
                /**
                 * Format: int64
                 * @description Its place in the chain.
                 */
                seq: number;
                success: boolean;
                /** @description Id of the user; null for the daemon itself. */
                user?: string | null;
            }[];
            /** @description Gives the next page as `cursor`; absent on the last. */
            next?: string | null;
        };
        /** @description A page of a list. */
        Page_BackupView: {
            /** @description What is on it. */
            items: {
                /**
                 * Format: int64
                 * @description Bytes of one copy.
                 */
                bytes: number;
                copies: components["schemas"]["CopyView"][];
                /**
                 * Format: date-time
                 * @description The consistent moment.
                 */
                created_at: string;
                format: components["schemas"]["Format"];
                id: string;
                kind: components["schemas"]["Kind"];
                label?: string | null;
                /** @description Name of the plan. */
                plan: string;
                /** @description Never removed by retention. */
                protected: boolean;
                verified?: components["schemas"]["Level"] | null;
            }[];
            /** @description Gives the next page as `cursor`; absent on the last. */
            next?: string | null;
        };
        /** @description A page of a list. */
        Page_PlanView: {
            /** @description What is on it. */
            items: {
                /** Format: date-time */
                created_at: string;
                /** @description Whether its schedule runs. */
                enabled: boolean;
                id: string;
                /** Format: date-time */
                last_attempt?: string | null;
                last_outcome?: components["schemas"]["Outcome"] | null;
                /**
                 * Format: date-time
                 * @description When a test restore last succeeded.
                 */
                last_proven?: string | null;
                /** Format: date-time */
                last_success?: string | null;
                /** Format: date-time */
                last_verified?: string | null;
                name: string;
                /**
                 * Format: date-time
                 * @description The next time by its schedule.
                 */
                next_run?: string | null;
                origin: components["schemas"]["PlanOrigin"];
                /** @description Id of the user whose it is. */
                owner: string;
                /** @description The document, as a `[plan.NAME]` table of recoup.toml. */
                plan: Record<string, never>;
                /** Format: date-time */
                updated_at: string;
                /**
                 * Format: int64
                 * @description The ETag without its quotes; send it back in If-Match with a change.
                 */
                version: number;
            }[];
            /** @description Gives the next page as `cursor`; absent on the last. */
            next?: string | null;
        };
        /** @description A page of a list. */
        Page_RunView: {
            /** @description What is on it. */
            items: {
                /**
                 * Format: int64
                 * @description 1 for the first attempt.
                 */
                attempt: number;
                /** @description Somebody asked it to stop. */
                cancelling: boolean;
                cause: components["schemas"]["Cause"];
                /**
                 * Format: date-time
                 * @description When its next attempt may begin, while it waits.
                 */
                due_at: string;
                /** @description Why it failed: code, message and hint. */
                error?: Record<string, never> | null;
                /** Format: date-time */
                finished_at?: string | null;
                id: string;
                kind: components["schemas"]["RunKind"];
                /**
                 * Format: int64
                 * @description Scheduled times that passed unused and that it stands for.
                 */
                missed: number;
                outcome?: components["schemas"]["Outcome"] | null;
                /** @description Id of the user whose run it is. */
                owner: string;
                /** @description Name of the plan. */
                plan: string;
                progress?: Record<string, never> | null;
                /** Format: date-time */
                queued_at: string;
                result?: Record<string, never> | null;
                /** @description The interrupted run that it repeats. */
                retry_of?: string | null;
                /** Format: date-time */
                started_at?: string | null;
                state: components["schemas"]["RunState"];
            }[];
            /** @description Gives the next page as `cursor`; absent on the last. */
            next?: string | null;
        };
        /** @description A part that would be put back. */
        PartPreview: {
            /** Format: int64 */
            bytes: number;
            /** @description Something is there now. */
            exists: boolean;
            kind: string;
            name: string;
        };
        /** @description One part of a backup. */
        PartView: {
            /** @description It was optional and not there. */
            absent: boolean;
            /** Format: int64 */
            bytes: number;
            /**
             * Format: int64
             * @description Files of a directory.
             */
            files?: number | null;
            /** @description `database`, `directory`, `file`, `settings`, `command` or `application`. */
            kind: string;
            /** @description Settings that were left out because they are secret. */
            left_out: string[];
            name: string;
            /** @description Where it was read. */
            origin?: string | null;
            sha256: string;
            /** @description Tables of a database with their rows. */
            tables: components["schemas"]["TableView"][];
        };
        /** @description A backup that could not be looked into. */
        PassedBackup: {
            backup: string;
            /** @description Stable, for scripts. */
            code: string;
            /** Format: date-time */
            created_at: string;
            plan: string;
            /** @description The sentence for people. */
            text: string;
        };
        /** @description Where the daemon's own things lie. */
        PathsView: {
            /** @description The catalog's file; null when it is a server. */
            catalog?: string | null;
            /** @description recoup.toml, when there is one. */
            config?: string | null;
            data: string;
        };
        /** @description How long everything is to be paused. */
        PauseRequest: {
            /**
             * @description How long from now (`1h`), `tomorrow` for the next midnight in the server's zone, or a time
             *     (`2026-11-22T14:00:00Z`); until it is resumed when absent.
             * @example 1h
             */
            until?: string | null;
        };
        /** @description Everything is paused. */
        PauseView: {
            /** @description Name of who did it. */
            by?: string | null;
            /** Format: date-time */
            since: string;
            /**
             * Format: date-time
             * @description When every schedule goes on by itself; null when somebody has to resume.
             */
            until?: string | null;
        };
        /** @description Whether a plan is backed up. */
        PlanHealth: {
            /**
             * Format: int64
             * @description Seconds since the consistent moment of the last backup.
             */
            age_seconds?: number | null;
            /** Format: int64 */
            backups: number;
            /**
             * Format: int64
             * @description Bytes of all copies.
             */
            bytes: number;
            /** @description Whether its schedule runs. */
            enabled: boolean;
            /** @description There is one. */
            fresh: boolean;
            /**
             * Format: date-time
             * @description When a test restore last succeeded.
             */
            last_proven?: string | null;
            /**
             * Format: date-time
             * @description The consistent moment of the last backup.
             */
            last_success?: string | null;
            /**
             * Format: date-time
             * @description When a backup was last verified.
             */
            last_verified?: string | null;
            /** @description There is no verified backup within twice the interval of its schedule. */
            overdue: boolean;
            plan: string;
        };
        /** @description A day on which something will begin. */
        PlannedView: {
            /** Format: date */
            date: string;
            plan: string;
            /**
             * Format: int32
             * @description So many times.
             */
            times: number;
        };
        /**
         * @description Where a plan comes from.
         * @enum {string}
         */
        PlanOrigin: "catalog" | "file" | "built_in";
        /**
         * @description How a plan is.
         * @enum {string}
         */
        PlanState: "failing" | "at_risk" | "never_run" | "paused" | "protected";
        /** @description A plan. */
        PlanView: {
            /** Format: date-time */
            created_at: string;
            /** @description Whether its schedule runs. */
            enabled: boolean;
            id: string;
            /** Format: date-time */
            last_attempt?: string | null;
            last_outcome?: components["schemas"]["Outcome"] | null;
            /**
             * Format: date-time
             * @description When a test restore last succeeded.
             */
            last_proven?: string | null;
            /** Format: date-time */
            last_success?: string | null;
            /** Format: date-time */
            last_verified?: string | null;
            name: string;
            /**
             * Format: date-time
             * @description The next time by its schedule.
             */
            next_run?: string | null;
            origin: components["schemas"]["PlanOrigin"];
            /** @description Id of the user whose it is. */
            owner: string;
            /** @description The document, as a `[plan.NAME]` table of recoup.toml. */
            plan: Record<string, never>;
            /** Format: date-time */
            updated_at: string;
            /**
             * Format: int64
             * @description The ETag without its quotes; send it back in If-Match with a change.
             */
            version: number;
        };
        /** @description What would be restored. */
        PreviewRequest: {
            /** @description Id of the backup. */
            backup: string;
            /** @description Names of parts, `database:table`, `directory/file`; everything when empty. */
            only?: string[];
        };
        /** @description What a restore would do. */
        PreviewView: {
            /** @description From the live data to the backup: *added* comes back, *removed* is lost, *changed* changes. */
            differences: Record<string, never>;
            parts: components["schemas"]["PartPreview"][];
            /** @description Starts the restore, within 15 minutes. */
            preview: string;
            /** @description The question to which the restore wants a yes. */
            question: string;
            refused?: components["schemas"]["Document"] | null;
            warnings: components["schemas"]["Note"][];
        };
        /** @description Why a request was not done. */
        Problem: {
            /** @description Stable code, for scripts. */
            code: string;
            /** @description More about this occurrence. */
            detail?: string | null;
            /** @description What can be done about it. */
            hint?: string | null;
            /** @description The id under which the log has more. */
            request_id: string;
            /**
             * Format: int32
             * @description The status of the answer.
             */
            status: number;
            /** @description The sentence for people. */
            title: string;
            /** @description Names the kind of problem: `urn:recoup:problem:` and the code. */
            type: string;
        };
        /** @description The password again. */
        Proof: {
            /** Format: password */
            password: string;
        };
        /** @description How a backup is put back. */
        PutBackRequest: {
            /** @description Protects it, so that retention does not take it again; true when absent. */
            protect?: boolean | null;
        };
        /** @description What was put back. */
        PutBackView: {
            /** @description Where it lies again. */
            destinations: string[];
            /** @description Where it could not be put back, or could not be looked for. */
            failed: components["schemas"]["FailedView"][];
            /** @description The backup: GET /api/v1/backups/{id} has it again. */
            id: string;
        };
        /** @description If the disk with the data were lost now. */
        Recovery: {
            /**
             * Format: date-time
             * @description Everything up to here would come back.
             */
            at?: string | null;
            /**
             * @description Plans of which a database or a file was written to after the newest verified copy off the disk was made. Folders
             *     are not looked into.
             */
            changed: string[];
            /** @description Where its newest verified copy off the disk lies. */
            destination?: string | null;
            /** @description Plans of which nothing would be left. */
            lost: string[];
            /** @description The plan that decides: the one whose data is oldest, or would be gone. */
            plan?: string | null;
            /**
             * Format: date-time
             * @description When a test restore of that plan last succeeded.
             */
            proven?: string | null;
            state: components["schemas"]["RecoveryState"];
        };
        /**
         * @description What would be left.
         * @enum {string}
         */
        RecoveryState: "nothing" | "waiting" | "good" | "behind" | "part" | "lost";
        /** @description What retention would do. */
        RetentionView: {
            destinations: components["schemas"]["SeriesView"][];
            /** @description Applies exactly this, within 15 minutes. */
            preview: string;
        };
        /**
         * @description What a person may do; each may do what the ones before it may.
         * @enum {string}
         */
        Role: "viewer" | "operator" | "admin";
        /** @description The first rows of a table. */
        RowsView: {
            columns: string[];
            /** @description There are more rows. */
            more: boolean;
            rows: components["schemas"]["CellView"][][];
        };
        /** @enum {string} */
        RunAs: "manual" | "pre_migration";
        /**
         * @description What a run does.
         * @enum {string}
         */
        RunKind: "backup" | "verify" | "restore" | "prune" | "copy";
        /** @description How a backup is made. */
        RunRequest: {
            /**
             * @description `manual`, or `pre_migration` before a deployment.
             * @default manual
             */
            kind?: components["schemas"]["RunAs"];
            /**
             * @description A label for it.
             * @default null
             */
            label?: string | null;
            /**
             * @description To the plan's destinations on this machine only, and not copied elsewhere later.
             * @default false
             */
            local_only?: boolean;
            /**
             * @description Never removed by retention.
             * @default false
             */
            protect?: boolean;
            /**
             * @description Read everything, also what the file system says has not changed since the last backup of a history.
             * @default false
             */
            rescan?: boolean;
        };
        /**
         * @description Where a run stands.
         * @enum {string}
         */
        RunState: "queued" | "running" | "done";
        /** @description A run. */
        RunView: {
            /**
             * Format: int64
             * @description 1 for the first attempt.
             */
            attempt: number;
            /** @description Somebody asked it to stop. */
            cancelling: boolean;
            cause: components["schemas"]["Cause"];
            /**
             * Format: date-time
             * @description When its next attempt may begin, while it waits.
             */
            due_at: string;
            /** @description Why it failed: code, message and hint. */
            error?: Record<string, never> | null;
            /** Format: date-time */
            finished_at?: string | null;
            id: string;
            kind: components["schemas"]["RunKind"];
            /**
             * Format: int64
             * @description Scheduled times that passed unused and that it stands for.
             */
            missed: number;
            outcome?: components["schemas"]["Outcome"] | null;
            /** @description Id of the user whose run it is. */
            owner: string;
            /** @description Name of the plan. */
            plan: string;
            progress?: Record<string, never> | null;
            /** Format: date-time */
            queued_at: string;
            result?: Record<string, never> | null;
            /** @description The interrupted run that it repeats. */
            retry_of?: string | null;
            /** Format: date-time */
            started_at?: string | null;
            state: components["schemas"]["RunState"];
        };
        /** @description A schedule that is thought about. */
        ScheduleRequest: {
            /**
             * Format: date-time
             * @description After this time; now when absent. For a rolling one it is the last time.
             */
            after?: string | null;
            /**
             * Format: int32
             * @description So many; 5 when absent.
             */
            count?: number | null;
            /** @description As `schedule` in a plan: `every`, `at`, `zone` (UTC when absent), `weekday`, `day`. */
            schedule: Record<string, never>;
        };
        /** @description What the scheduler is doing. */
        SchedulerView: {
            /**
             * Format: int64
             * @description Seconds between two looks at the plans.
             */
            check_interval_seconds: number;
            /**
             * Format: int64
             * @description Plans whose schedule runs.
             */
            enabled: number;
            /** Format: date-time */
            last_check?: string | null;
            /**
             * Format: date-time
             * @description The next time of any plan.
             */
            next_due?: string | null;
            paused?: components["schemas"]["PauseView"] | null;
            /**
             * Format: int64
             * @description All plans.
             */
            plans: number;
            /**
             * Format: int64
             * @description Runs that wait.
             */
            queued: number;
            running: boolean;
            /** @description Runs that can be worked on at a time. */
            workers: number;
            /**
             * Format: int64
             * @description Runs that are worked on.
             */
            working: number;
        };
        /** @description When a schedule would run. */
        ScheduleView: {
            next: string[];
            /** @description The schedule in words. */
            words: string;
        };
        /**
         * @description What a token may do; each may do what the ones before it may.
         * @enum {string}
         */
        Scope: "read" | "run" | "write" | "admin";
        /** @description A number of seconds and where it comes from. */
        Seconds: {
            origin: components["schemas"]["Origin"];
            /** Format: int64 */
            value: number;
        };
        /** @description What happens at one destination. */
        SeriesView: {
            /** @description Newest first. */
            backups: components["schemas"]["DecisionView"][];
            delete: number;
            destination: string;
            /**
             * Format: int64
             * @description Bytes of what would go.
             */
            freed_bytes: number;
            keep: number;
            /** @description Why nothing would go although something should. */
            paused?: string | null;
            protected: number;
            total: number;
        };
        /** @description What is to change; what is absent stays, null goes back to the default. */
        SettingsChange: {
            /**
             * Format: int64
             * @description How often the plans are looked at.
             */
            check_interval_seconds?: number | null;
            /**
             * Format: int64
             * @description How long a request to somebody else may take.
             */
            outbound_timeout_seconds?: number | null;
        };
        /** @description How the daemon is set. */
        SettingsView: {
            /** @description Names of the channels of recoup.toml. */
            channels: string[];
            /** @description How often the plans are looked at. */
            check_interval_seconds: components["schemas"]["Seconds"];
            /**
             * Format: int32
             * @description Runs at one time.
             */
            concurrency: number;
            /** @description The folder of Recoup's own data. For admins. */
            data?: string | null;
            /** @description Names of the destinations of recoup.toml. */
            destinations: string[];
            /** @description How long a request to a webhook, a mail server or another monitor may take. */
            outbound_timeout_seconds: components["schemas"]["Seconds"];
            /** @description Where people find the daemon. */
            public_url?: string | null;
            /** @description The version of SQLite that is built in. */
            sqlite: string;
            /**
             * Format: int64
             * @description The largest upload, in bytes.
             */
            upload_limit_bytes: number;
            version: string;
            /** @description The time zone of schedules that name none. */
            zone: string;
        };
        /** @description The first admin. */
        SetUp: {
            /** @description The code that the daemon printed when it started. */
            code: string;
            /** @description What to sign in with. */
            name: string;
            /**
             * Format: password
             * @description At least 12 characters.
             */
            password: string;
        };
        /** @description Whether a first admin is still to be made. */
        SetupState: {
            needed: boolean;
        };
        /**
         * @description What lies at a path.
         * @enum {string}
         */
        SightWord: "missing" | "unreadable" | "database" | "directory" | "file";
        /** @description Name and password. */
        SignIn: {
            name: string;
            /** Format: password */
            password: string;
        };
        /**
         * @description What has become of a thing since the backup before.
         * @enum {string}
         */
        SinceWord: "new" | "changed" | "gone";
        /** @description How a destination of a plan stands. */
        StandingView: {
            /**
             * Format: int64
             * @description Bytes of them.
             */
            bytes: number;
            /** @description Copies there. */
            copies: number;
            /** @description Copies there that are known to be damaged. */
            damaged: number;
            /** @description Name of the destination. */
            destination: string;
            error?: components["schemas"]["Note"] | null;
            /** Format: date-time */
            error_at?: string | null;
            /**
             * Format: date-time
             * @description The moment of the newest good backup that is there.
             */
            last_good?: string | null;
            /**
             * Format: date-time
             * @description When something was last stored there.
             */
            last_stored?: string | null;
            /** @description Ids of backups that should be there and are not yet, the newest first; they are copied by themselves. */
            missing: string[];
            /** @description A person has to sign in before it can be used again. */
            needs_sign_in: boolean;
            /**
             * Format: date-time
             * @description When they are tried next.
             */
            next_try?: string | null;
            /** @description Name of the plan. */
            plan: string;
            /** @description Whether it is in the network. */
            remote: boolean;
        };
        /** @description A restore that was previewed is to begin. */
        StartRequest: {
            /** @description The yes to `Restore will replace all data. Continue?` */
            confirm?: boolean;
            /** @description Also what another application or a newer version made. */
            force?: boolean;
            /** @description From the preview. */
            preview: string;
        };
        /** @description How a plan stands. */
        StatusView: {
            /**
             * Format: int64
             * @description How many backups there are.
             */
            backups: number;
            /**
             * Format: int64
             * @description Bytes of all copies.
             */
            bytes: number;
            /** @description How each of its destinations stands. */
            destinations: components["schemas"]["StandingView"][];
            /** @description There is a verified backup that is not older than that. */
            fresh: boolean;
            /** Format: date-time */
            last_attempt?: string | null;
            last_outcome?: components["schemas"]["Outcome"] | null;
            /** Format: date-time */
            last_proven?: string | null;
            /** Format: date-time */
            last_success?: string | null;
            /** Format: date-time */
            last_verified?: string | null;
            /** Format: date-time */
            next_run?: string | null;
            /** @description There is no verified backup within twice the interval of the schedule. */
            overdue: boolean;
            /** @description Id of the run that works on it now. */
            running?: string | null;
        };
        /** @description A step of a test. */
        StepView: {
            /** @description `open`, `write`, `list`, `read`, `delete`, `space` or `key`. */
            name: string;
            ok: boolean;
            text: string;
        };
        /** @description The daemon and the machine below it. */
        SystemView: {
            /** @description `release` or `debug`. */
            build: string;
            /** Format: int64 */
            catalog_bytes?: number | null;
            checks: components["schemas"]["CheckView"][];
            /**
             * Format: int64
             * @description Bytes that the disk has there.
             */
            disk_bytes?: number | null;
            /**
             * Format: int64
             * @description Bytes that may still be written where the daemon's data lies.
             */
            free_bytes?: number | null;
            host?: string | null;
            paths: components["schemas"]["PathsView"];
            /** @description As in `linux x86_64`. */
            platform: string;
            /** @description The version of SQLite that is built in. */
            sqlite: string;
            /** Format: date-time */
            started_at: string;
            /** Format: int64 */
            uptime_seconds: number;
            version: string;
        };
        /** @description A table. */
        TableView: {
            name: string;
            /** Format: int64 */
            rows?: number | null;
        };
        /** @description How a test went. */
        TestView: {
            ok: boolean;
            steps: components["schemas"]["StepView"][];
        };
        Tokens: {
            items: components["schemas"]["TokenView"][];
        };
        /** @description A token, without its secret. */
        TokenView: {
            /** Format: date-time */
            created_at: string;
            /** Format: date-time */
            expires_at: string;
            id: string;
            name: string;
            scope: components["schemas"]["Scope"];
            /**
             * Format: date-time
             * @description When it was last used.
             */
            used_at?: string | null;
            /** @description Id of the user whose it is. */
            user: string;
        };
        /** @description A copy in the trash. */
        TrashedCopyView: {
            /** Format: int64 */
            bytes: number;
            /** Format: date-time */
            deleted_at: string;
            destination: string;
            /**
             * Format: date-time
             * @description When it is removed for good; earlier, when a backup needs the space.
             */
            until: string;
        };
        /** @description A backup in the trash. */
        TrashedView: {
            copies: components["schemas"]["TrashedCopyView"][];
            /**
             * Format: date-time
             * @description The consistent moment.
             */
            created_at?: string | null;
            format?: components["schemas"]["Format"] | null;
            /** @description Absent when its manifest cannot be read; then it cannot be put back here. */
            id?: string | null;
            kind?: components["schemas"]["Kind"] | null;
            label?: string | null;
            /** @description Its file name without extension. */
            name: string;
            /** @description Name of the plan. */
            plan: string;
        };
        /** @description What lies in the trash. */
        TrashView: {
            /** @description Destinations that could not be looked at: there may be more. */
            failed: components["schemas"]["FailedView"][];
            items: components["schemas"]["TrashedView"][];
            /** @description Gives the next page as `cursor`; absent on the last. */
            next?: string | null;
            /** @description Destinations without a trash: what is deleted there is gone at once. */
            without: string[];
        };
        /** @description How telling somebody went. */
        TriedView: {
            hint?: string | null;
            ok: boolean;
            /** @description Why not. */
            text?: string | null;
        };
        /** @description The keys of a document that are to be tried; `{}` tries it as it is. */
        TryRequest: {
            /** @description As in recoup.toml. Of one that was added already, only what is to change. */
            document?: Record<string, never>;
        };
        /** @description A file in one part of a form. */
        UploadForm: {
            /** Format: binary */
            file: string;
        };
        /** @description An upload in pieces is to begin. */
        UploadRequest: {
            /**
             * Format: int64
             * @description How long it will be, in bytes.
             */
            bytes: number;
            /** @description Name of the plan into which it would be restored. */
            plan: string;
        };
        /** @description An upload in pieces. */
        UploadView: {
            /** Format: int64 */
            bytes: number;
            id: string;
            /**
             * Format: int64
             * @description How many bytes have arrived: the next piece begins there.
             */
            offset: number;
            plan: string;
        };
        /** @description A user. */
        User: {
            /** Format: date-time */
            created_at: string;
            /** @description May not sign in. */
            disabled: boolean;
            id: string;
            /** @description What they sign in with. */
            name: string;
            /** @description Whether there is a password; without one somebody else signs them in. */
            password: boolean;
            role: components["schemas"]["Role"];
        };
        /** @description What is to change of a user; what is absent stays. */
        UserChange: {
            /** @description May not sign in any more; ends their sign-ins. */
            disabled?: boolean | null;
            /**
             * Format: password
             * @description A new password; ends their sign-ins.
             */
            password?: string | null;
            role?: components["schemas"]["Role"] | null;
        };
        /** @description Everybody. */
        Users: {
            items: components["schemas"]["User"][];
        };
        /** @description Settings in effect. */
        ValuesView: {
            items: components["schemas"]["ValueView"][];
        };
        /** @description A setting in effect. */
        ValueView: {
            /** @description As in recoup.toml, with dots. */
            key: string;
            origin: components["schemas"]["OriginWord"];
            /** @description The line of the file, the variable or the option; null for a default. */
            place?: string | null;
            /** @description What is secret shows as dots, or as `(set)`. */
            value: unknown;
        };
        /** @description What is proven. */
        VerifyRequest: {
            /** @default null */
            level?: components["schemas"]["Level"] | null;
        };
        /** @description A destination of a plan. */
        Where: {
            /** @description `directory`, `s3`, `sftp`, `webdav` or `drive`. */
            kind: string;
            name: string;
            /** @description It lies on a disk that also has data of the plan. */
            same_disk: boolean;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    audit_list: {
        parameters: {
            query?: {
                /** @description `next` of the page before. */
                cursor?: string;
                /** @description A name, or how it begins: `restore.` */
                event?: string;
                /** @description How many, 1 to 500; 100 when absent. */
                limit?: number;
                /** @description At this time or later. */
                since?: string;
                /** @description Id of a user. */
                user?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Page_AuditEvent"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    audit_export: {
        parameters: {
            query?: {
                /** @description After this event. */
                after?: number;
                /** @description `jsonl` when absent. */
                format?: "jsonl" | "csv";
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/jsonl": string;
                    "text/csv": string;
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    audit_verify: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Checked"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    backups_list: {
        parameters: {
            query?: {
                /** @description Where the page before ended. */
                cursor?: string;
                /** @description Only those with a copy at the destination of this name. */
                destination?: string;
                kind?: components["schemas"]["Kind"];
                /** @description At most so many; 100 when absent. */
                limit?: number;
                /** @description Only of the plan of this name. */
                plan?: string;
                /** @description Only protected ones, or only others. */
                protected?: boolean;
                /** @description Only those with this in plan, label or id, whether in capitals or not. */
                search?: string;
                /** @description Made at this time or later. */
                since?: string;
                /** @description Only those of which this is known. */
                state?: "damaged" | "unverified" | "verified" | "restored";
                /** @description Made before. */
                until?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Page_BackupView"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    backups_read: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["BackupDetail"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    backups_remove: {
        parameters: {
            query?: {
                /** @description At once, without a day in the trash. */
                at_once?: boolean;
                /** @description Also when it is protected; needs the password of just now. */
                force?: boolean;
            };
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    backups_contents: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Contents"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    backups_copy: {
        parameters: {
            query?: never;
            header?: {
                /** @description The same request with the same key is done once; for 24 hours its first answer is given again */
                "Idempotency-Key"?: string;
            };
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CopyRequest"];
            };
        };
        responses: {
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Accepted"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    backups_diff: {
        parameters: {
            query?: {
                /** @description Id of another backup; the live data when absent. */
                with?: string;
            };
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    backups_download: {
        parameters: {
            query?: never;
            header?: {
                Range?: string | null;
            };
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/octet-stream": number[];
                };
            };
            206: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/octet-stream": number[];
                };
            };
            416: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    backups_file: {
        parameters: {
            query: {
                /** @description Name of the part. */
                part: string;
                /** @description The file, as it was listed; absent when the part is one file. */
                path?: string;
            };
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/octet-stream": number[];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    backups_files: {
        parameters: {
            query: {
                /** @description Name of the part. */
                part: string;
                /** @description The folder, as it was listed; the root of the part when absent. */
                path?: string;
                /** @description Everything below the folder with this in its name, instead of the folder. */
                search?: string;
                /** @description Of a folder: also what is new, changed and gone since the good backup before. */
                since_previous?: boolean;
            };
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FilesView"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    backups_protect: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    backups_unprotect: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    backups_selection: {
        parameters: {
            query: {
                /** @description Name of the part. */
                part: string;
                /** @description A file or a folder as it was listed, again for each; the empty one is the whole part. */
                path: string[];
            };
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/zip": number[];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    backups_rows: {
        parameters: {
            query: {
                /** @description So many at most; 50 when absent. */
                limit?: number;
                /** @description Name of the part. */
                part: string;
            };
            header?: never;
            path: {
                id: string;
                table: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RowsView"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    backups_verify: {
        parameters: {
            query?: never;
            header?: {
                /** @description The same request with the same key is done once; for 24 hours its first answer is given again */
                "Idempotency-Key"?: string;
            };
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["VerifyRequest"] | null;
            };
        };
        responses: {
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Accepted"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    runs_calendar: {
        parameters: {
            query: {
                /** @description The first day: `2026-11-01`. */
                from: string;
                /** @description Of this plan only. */
                plan?: string;
                /** @description The last day, at most 400 days later. */
                until: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CalendarView"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    channels_channels: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Channels"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    channels_channel: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    etag?: string | null;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DeclaredView"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    channels_add_channel: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            201: {
                headers: {
                    etag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DeclaredView"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    channels_remove_channel: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    channels_change_channel: {
        parameters: {
            query?: never;
            header?: {
                /** @description The ETag of what was read */
                "if-match"?: string | null;
            };
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            200: {
                headers: {
                    etag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DeclaredView"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            412: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    channels_try_channel: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["TryRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TriedView"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    destinations_list: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Destinations"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    destinations_destination: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    etag?: string | null;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DeclaredView"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    destinations_add_destination: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            201: {
                headers: {
                    etag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DeclaredView"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    destinations_remove_destination: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    destinations_change_destination: {
        parameters: {
            query?: never;
            header?: {
                /** @description The ETag of what was read */
                "if-match"?: string | null;
            };
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            200: {
                headers: {
                    etag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DeclaredView"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            412: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    destinations_adopt: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AdoptedView"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    destinations_copy_missing: {
        parameters: {
            query?: never;
            header?: {
                /** @description The same request with the same key is done once; for 24 hours its first answer is given again */
                "Idempotency-Key"?: string;
            };
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CopyMissingRequest"];
            };
        };
        responses: {
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Accepted"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    destinations_connection: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ConnectionView"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    destinations_connect: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ConnectionView"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    destinations_disconnect: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    destinations_test: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TestView"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    destinations_try_destination: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["TryRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TestView"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    system_diagnostics: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": string;
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    runs_all_events: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": string;
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    backups_find: {
        parameters: {
            query: {
                /** @description Where the search before stopped. */
                cursor?: string;
                /** @description Only those with a copy at the destination of this name. */
                destination?: string;
                kind?: components["schemas"]["Kind"];
                /** @description A piece of the name of a file, a folder, a table or a part, whether in capitals or not. */
                name: string;
                /** @description Only of the plan of this name. */
                plan?: string;
                /** @description Only protected ones, or only others. */
                protected?: boolean;
                /** @description Only those with this in plan, label or id, whether in capitals or not. */
                search?: string;
                /** @description Made at this time or later. */
                since?: string;
                /** @description Only those of which this is known. */
                state?: "damaged" | "unverified" | "verified" | "restored";
                /** @description Made before. */
                until?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NamedBackups"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    destinations_growth: {
        parameters: {
            query?: {
                /** @description So many days back; 90 when absent. */
                days?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["GrowthView"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    health_health: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Health"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    health_backups: {
        parameters: {
            query?: {
                /** @description Only this plan. */
                plan?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["BackupsHealth"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["BackupsHealth"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    plans_look: {
        parameters: {
            query: {
                /** @description As a plan would name it: absolute, relative to recoup.toml, or a SQLite URL. */
                path: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["LookView"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    plans_find: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FoundView"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    session_me: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Me"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    session_change_password: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewPassword"];
            };
        };
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    documentation_openapi_json: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": unknown;
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    health_overview: {
        parameters: {
            query?: {
                /** @description So many plans at most, those that need somebody first; 16 when absent. */
                plans?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Overview"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    plans_list: {
        parameters: {
            query?: {
                /** @description Where the page before ended. */
                cursor?: string;
                /** @description At most so many; 100 when absent. */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Page_PlanView"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    plans_create: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewPlan"];
            };
        };
        responses: {
            201: {
                headers: {
                    etag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PlanView"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    plans_read: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    etag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PlanView"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    plans_remove: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    plans_change: {
        parameters: {
            query?: never;
            header?: {
                "If-Match"?: string | null;
            };
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/merge-patch+json": Record<string, never>;
            };
        };
        responses: {
            200: {
                headers: {
                    etag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PlanView"];
                };
            };
            412: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    plans_fresh: {
        parameters: {
            query?: {
                /** @description Not older than so many seconds, at most ten years; a day when absent. */
                within_seconds?: number;
            };
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fresh"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    schedule_next: {
        parameters: {
            query?: {
                /** @description After this time; now when absent. */
                after?: string;
                /** @description So many; 5 when absent. */
                count?: number;
            };
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NextRuns"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    retention_preview: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RetentionView"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    retention_draft: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["DraftRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DraftView"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    plans_run: {
        parameters: {
            query?: never;
            header?: {
                /** @description The same request with the same key is done once; for 24 hours its first answer is given again */
                "Idempotency-Key"?: string;
            };
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["RunRequest"] | null;
            };
        };
        responses: {
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Accepted"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    plans_status: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["StatusView"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    restores_undo: {
        parameters: {
            query?: never;
            header?: {
                /** @description The same request with the same key is done once; for 24 hours its first answer is given again */
                "Idempotency-Key"?: string;
            };
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Accepted"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    plans_verify: {
        parameters: {
            query?: never;
            header?: {
                /** @description The same request with the same key is done once; for 24 hours its first answer is given again */
                "Idempotency-Key"?: string;
            };
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["VerifyRequest"] | null;
            };
        };
        responses: {
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Accepted"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    destinations_recovery_kit: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KitView"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    restores_start: {
        parameters: {
            query?: never;
            header?: {
                /** @description The same request with the same key is done once; for 24 hours its first answer is given again */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["StartRequest"];
            };
        };
        responses: {
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Accepted"];
                };
            };
            428: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    restores_preview: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PreviewRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PreviewView"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    retention_apply: {
        parameters: {
            query?: never;
            header?: {
                /** @description The same request with the same key is done once; for 24 hours its first answer is given again */
                "Idempotency-Key"?: string;
            };
            path: {
                preview: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Accepted"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    runs_list: {
        parameters: {
            query?: {
                /** @description Where the page before ended. */
                cursor?: string;
                kind?: components["schemas"]["RunKind"];
                /** @description At most so many; 100 when absent. */
                limit?: number;
                /** @description Only of the plan of this name. */
                plan?: string;
                state?: components["schemas"]["RunState"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Page_RunView"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    runs_read: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RunView"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    runs_cancel: {
        parameters: {
            query?: never;
            header?: {
                /** @description The same request with the same key is done once; for 24 hours its first answer is given again */
                "Idempotency-Key"?: string;
            };
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    runs_events: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": string;
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    runs_log: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": string;
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    schedule_schedule: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ScheduleRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ScheduleView"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    scheduler_scheduler_state: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SchedulerView"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    scheduler_scheduler_check: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SchedulerView"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    scheduler_pause: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["PauseRequest"] | null;
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SchedulerView"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    scheduler_resume: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SchedulerView"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    session_sign_in: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SignIn"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["User"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    session_sign_out: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    session_prove: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Proof"];
            };
        };
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    settings_read: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    etag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SettingsView"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    settings_change: {
        parameters: {
            query?: never;
            header?: {
                /** @description The ETag of what was read */
                "if-match"?: string | null;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SettingsChange"];
            };
        };
        responses: {
            200: {
                headers: {
                    etag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SettingsView"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    settings_defaults: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ValuesView"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    settings_values: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ValuesView"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    session_setup_state: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SetupState"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    session_set_up: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SetUp"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["User"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    system_read: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SystemView"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    tokens_list: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Tokens"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    tokens_create: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewToken"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MadeToken"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    tokens_remove: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    trash_list: {
        parameters: {
            query?: {
                /** @description Where the page before ended. */
                cursor?: string;
                /** @description At most so many; 100 when absent. */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TrashView"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    trash_put_back: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                backup: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["PutBackRequest"] | null;
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PutBackView"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    uploads_upload: {
        parameters: {
            query: {
                /** @description Name of the plan into which it would be restored. */
                plan: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "multipart/form-data": components["schemas"]["UploadForm"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PreviewView"];
                };
            };
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    uploads_begin: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["UploadRequest"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UploadView"];
                };
            };
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    uploads_how_far: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UploadView"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    uploads_give_up: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    uploads_piece: {
        parameters: {
            query?: never;
            header: {
                "Upload-Offset": number;
            };
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/octet-stream": number[];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UploadView"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    uploads_finish: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PreviewView"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    users_list: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Users"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    users_create: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewUser"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["User"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    users_read: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["User"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    users_change: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["UserChange"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["User"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    users_end_sessions: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Ended"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    health_alive: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Alive"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    health_metrics: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/openmetrics-text": string;
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    health_ready: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Alive"];
                };
            };
            /** @description A problem */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
}
