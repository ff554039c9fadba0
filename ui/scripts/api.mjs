// Makes src/api/schema.d.ts from the OpenAPI document that the server's tests keep; --check says whether it is the newest.
import { readFileSync, writeFileSync } from 'node:fs';
import openapiTS, { astToString } from 'openapi-typescript';

const here = (path) => new URL(path, import.meta.url);
const kept = '../../crates/recoup-server/tests/snapshots/openapi__the_document_is_the_one_that_was_looked_at.snap';
const text = readFileSync(here(kept), 'utf8');
// An insta snapshot: a head between two lines of dashes, then the document.
const document = JSON.parse(text.slice(text.indexOf('\n---\n', 3) + 5));
const types = astToString(await openapiTS(document, { alphabetize: true, defaultNonNullable: false }));
const made = `// Made by \`npm run api\` from the server's OpenAPI document. Not edited by hand.\n${types}`;
const place = here('../src/api/schema.d.ts');

if (process.argv.includes('--check')) {
  if (readFileSync(place, 'utf8') !== made) {
    console.error('src/api/schema.d.ts is not what the server says: npm run api');
    process.exit(1);
  }
} else {
  writeFileSync(place, made);
}
