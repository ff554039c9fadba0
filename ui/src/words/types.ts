// What a catalogue is made of. Not here: texts.

/** A text with a number has one form for one and one for others. */
export type Plural = { one: string; other: string };
export type Words = Record<string, string | Plural>;
/** The same keys in another language. */
export type Translated<Known> = Record<keyof Known, string | Plural>;
