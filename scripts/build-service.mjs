// Bundles one service into services/<name>/dist/<name>.mjs: one executable file that needs Node and nothing else.
import { chmod, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { generate } from './generate.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

// amqplib, form-data and yargs bring CommonJS parts; an ES module has no `require` unless one is made for it.
const banner = `#!/usr/bin/env node
import { createRequire as __createRequire } from 'node:module'
const require = __createRequire(import.meta.url)`

/** Builds the service and returns the path and size in bytes of the file that was written. */
export async function buildService(name) {
  const folder = join(root, 'services', name)
  const { version } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
  const outfile = join(folder, 'dist', `${name}.mjs`)
  const { metafile } = await build({
    entryPoints: [join(folder, 'src', 'main.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    conditions: ['source'],
    banner: { js: banner },
    define: { 'process.env.SERVICE_VERSION': JSON.stringify(version) },
    legalComments: 'none',
    metafile: true,
    logLevel: 'warning',
  })
  await chmod(outfile, 0o755)
  return { outfile, bytes: Object.values(metafile.outputs)[0].bytes }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const name = process.argv[2]
  if (name === undefined) {
    console.error('usage: node scripts/build-service.mjs NAME')
    process.exit(2)
  }
  await generate()
  const { outfile, bytes } = await buildService(name)
  console.log(`${outfile}  ${(bytes / 1e6).toFixed(1)} MB`)
}
