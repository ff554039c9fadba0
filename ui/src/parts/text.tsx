// A text of the catalogue in which some of the names are more than text: a link, a time, a bold word.
import { Fragment, type ReactNode } from 'react';
import { pieces, type Key, type Values } from '../words';

export function Text({ k, values = {}, parts }: { k: Key; values?: Values; parts: Record<string, ReactNode> }) {
  return (
    <>
      {pieces(k, values).map((piece, index) => (
        <Fragment key={index}>{piece.name === undefined ? piece.text : (parts[piece.name] ?? `{${piece.name}}`)}</Fragment>
      ))}
    </>
  );
}
