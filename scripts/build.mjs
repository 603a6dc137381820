// Builds every service into its single file.
import { readdir } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildService } from './build-service.mjs'
import { generate } from './generate.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

/** Builds all; `told` gets a line for each. */
export async function buildAll(told) {
  await generate()
  for (const name of (await readdir(join(root, 'services'))).sort()) {
    const { outfile, bytes } = await buildService(name)
    told(`${relative(root, outfile)}  ${(bytes / 1e6).toFixed(1)} MB`)
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildAll(console.log)
