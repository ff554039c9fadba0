// A bar: as far as is known, or moving without an end when nothing is known. Never more than is known.

export function Progress({ value, label }: { value: number | undefined; label: string }) {
  return <progress className="progress" aria-label={label} max={100} {...(value !== undefined && { value: Math.min(value, 100) })} />;
}
