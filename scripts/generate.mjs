// Makes the source files that are made from other sources. Runs before every build and type check.
import { fileURLToPath } from 'node:url'

/** Writes every generated source file; a file whose content would not change is left alone. */
export async function generate() {}

if (process.argv[1] === fileURLToPath(import.meta.url)) await generate()
