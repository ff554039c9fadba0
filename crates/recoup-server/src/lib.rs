//! Recoup with a door: routes, views, problem documents and sign-in over the engine of the library. Nothing that is true
//! about backups lives here.
