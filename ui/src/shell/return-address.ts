// Where somebody goes after a sign-in: an address of ours that they asked for, and never another site.

/** The address if it is one of ours; else the overview. */
export function safe(next: string | null): string {
  // One slash, and no second one in any spelling.
  return next && /^\/(?![/\\])[^\\\p{Cc}]*$/u.test(next) && !next.startsWith('/sign-in') ? next : '/';
}
