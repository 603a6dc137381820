// Makes the source files that are made from other sources. Runs before every build and type check.
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const script = fileURLToPath(import.meta.url)
const packages = join(dirname(script), '..', 'packages')
const scanner = join(packages, 'json-scanner', 'src')
const archive = join(packages, 'archive', 'src')

/** Writes every generated source file; a file whose sources have not changed is left alone. */
export async function generate() {
  const bzip2 = (await readdir(join(archive, 'bzip2'))).map(name => join(archive, 'bzip2', name))
  await makeFrom([join(scanner, 'skip.wat')], join(scanner, 'generated', 'skip-wasm.ts'), 'skipWasm', assembleSkipper)
  const worker = join(archive, 'bunzip2-worker.ts')
  await makeFrom([worker, ...bzip2], join(archive, 'generated', 'bunzip2-worker.ts'), 'bunzip2Worker', bundleWorker)
}

/** Writes `file`, which exports the text that `make` returns, unless it was made from the same sources. */
async function makeFrom(sources, file, exported, make) {
  const digest = createHash('sha256')
  for (const source of [script, ...sources.sort()]) digest.update(await readFile(source))
  const head = `// Made by scripts/generate.mjs from sources with SHA-256 ${digest.digest('hex')}.\n`
  const old = await readFile(file, 'utf8').catch(() => '')
  if (old.startsWith(head)) return
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, `${head}export const ${exported}: string = ${JSON.stringify(await make())}\n`)
}

/** The WebAssembly bytes of skip.wat in base64. */
async function assembleSkipper() {
  const { default: loadWabt } = await import('wabt')
  const wabt = await loadWabt()
  const module = wabt.parseWat('skip.wat', await readFile(join(scanner, 'skip.wat'), 'utf8'), { simd: true })
  module.validate()
  return Buffer.from(module.toBinary({}).buffer).toString('base64')
}

/** The bzip2 worker with everything it imports, as the text of a CommonJS script. */
async function bundleWorker() {
  const { build } = await import('esbuild')
  const { outputFiles } = await build({
    entryPoints: [join(archive, 'bunzip2-worker.ts')],
    write: false,
    bundle: true,
    minifyWhitespace: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20.19',
    logLevel: 'warning',
  })
  return outputFiles[0].text
}

if (process.argv[1] === script) await generate()
