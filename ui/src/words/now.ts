// What time it is on the server: this machine's clock may be wrong, and an age must not be. Every overview tells the
// server's time; the difference is kept.

let ahead = 0;

/** The present of the server, in milliseconds. */
export const present = (): number => Date.now() + ahead;

/** The server said that it is `at`. */
export function serverSays(at: string): void {
  const told = Date.parse(at) - Date.now();
  // A slow answer is no wrong clock.
  ahead = Math.abs(told) < 2_000 ? 0 : told;
}
