// The pictures, drawn with lines in a square of 24. Always beside a text or in something that has a name, so they are
// hidden from those who listen.

const PATHS = {
  home: 'M4 11.5 12 4l8 7.5V20h-5.5v-5h-5v5H4z',
  shield: 'M12 3.5 5 6v5.5c0 4.4 2.9 7.6 7 9 4.1-1.4 7-4.6 7-9V6zM9 12l2.2 2.2L15.5 10',
  box: 'M4 8l8-4 8 4v8l-8 4-8-4zM4 8l8 4 8-4M12 12v8',
  restore: 'M5 12a7 7 0 1 0 2.2-5.1M7 3.5v4h4',
  calendar: 'M5 6h14v14H5zM5 10h14M8.5 3.5V7M15.5 3.5V7',
  drive: 'M4 13.5 7 5h10l3 8.5V19H4zM4 13.5h16M16 16.3h.01',
  list: 'M8.5 6.5H20M8.5 12H20M8.5 17.5H20M4.5 6.5h.01M4.5 12h.01M4.5 17.5h.01',
  settings: 'M4 7h9M17 7h3M4 17h3M11 17h9M15 4.5v5M9 14.5v5',
  more: 'M5.5 11.3a.7.7 0 1 0 0 1.4.7.7 0 0 0 0-1.4M12 11.3a.7.7 0 1 0 0 1.4.7.7 0 0 0 0-1.4M18.5 11.3a.7.7 0 1 0 0 1.4.7.7 0 0 0 0-1.4',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  cross: 'M6 6l12 12M18 6 6 18',
  warning: 'M12 4 2.8 20h18.4zM12 10v4.5M12 17.3h.01',
  stop: 'M7 7h10v10H7z',
  play: 'M8 5.5v13l10-6.5z',
  pause: 'M8.5 6v12M15.5 6v12',
  clock: 'M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16M12 7.5V12l3 2',
  circle: 'M12 5a7 7 0 1 0 0 14 7 7 0 0 0 0-14',
  half: 'M12 5a7 7 0 1 0 0 14 7 7 0 0 0 0-14M12 5v14',
  skip: 'M6 12h12',
  user: 'M12 4.5a3.8 3.8 0 1 0 0 7.6 3.8 3.8 0 0 0 0-7.6M4.5 20c.8-3.6 3.7-5.3 7.5-5.3s6.7 1.7 7.5 5.3',
  theme: 'M12 4a8 8 0 1 0 0 16zM12 4a8 8 0 0 1 0 16',
  info: 'M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16M12 11.2V16M12 8h.01',
  download: 'M12 4v11M7.5 11 12 15.5 16.5 11M5 20h14',
  lock: 'M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3',
  trash: 'M5 7h14M9 7V4.5h6V7M7 7l1 13h8l1-13',
  search: 'M10.5 5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11M15 15l5 5',
  plus: 'M12 5v14M5 12h14',
  back: 'M11 6l-6 6 6 6M5 12h14',
  up: 'M12 19V5M6.5 10.5 12 5l5.5 5.5',
  down: 'M12 5v14M6.5 13.5 12 19l5.5-5.5',
  open: 'M6.5 10l5.5 5.5 5.5-5.5',
  folder: 'M4 7h6l2 2h8v10H4z',
  file: 'M7 4h7l4 4v12H7zM14 4v4h4',
  eye: 'M3 12c2-4 5.2-6 9-6s7 2 9 6c-2 4-5.2 6-9 6s-7-2-9-6M12 9.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5',
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg className="glyph" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
