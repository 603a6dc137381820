// Makes the source files that are made from other sources. Runs before every build and type check.
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const script = fileURLToPath(import.meta.url)
const root = join(dirname(script), '..')
const packages = join(root, 'packages')
const scanner = join(packages, 'json-scanner', 'src')
const archive = join(packages, 'archive', 'src')

/** Pages of services: each folder has main.ts and style.css, and its page lands in src/generated/page.ts of the service. */
const PAGES = ['services/distributed_cuckoo/src/page', 'services/overseer/src/page']

/** Writes every generated source file; a file whose sources have not changed is left alone. */
export async function generate() {
  const bzip2 = (await readdir(join(archive, 'bzip2'))).map(name => join(archive, 'bzip2', name))
  await makeFrom([join(scanner, 'skip.wat')], join(scanner, 'generated', 'skip-wasm.ts'), assembleSkipper)
  const worker = join(archive, 'bunzip2-worker.ts')
  await makeFrom([worker, ...bzip2], join(archive, 'generated', 'bunzip2-worker.ts'), bundleWorker)
  const parts = await sourcesOf(join(packages, 'page', 'src', 'browser'))
  for (const page of PAGES) {
    const folder = join(root, page)
    const service = join(root, ...page.split('/').slice(0, 3))
    const sources = [...(await sourcesOf(folder)), ...parts, join(root, 'node_modules/lit-html/package.json')]
    await makeFrom(sources, join(service, 'generated', 'page.ts'), () => bundlePage(folder))
  }
}

/** The sources in a folder, and in those below it. */
async function sourcesOf(folder) {
  const names = await readdir(folder, { recursive: true })
  return names.filter(name => /\.(ts|css)$/.test(name)).map(name => join(folder, name))
}

/** Writes `file`, which exports the texts that `make` returns by their names, unless it was made from the same sources. */
async function makeFrom(sources, file, make) {
  const digest = createHash('sha256')
  for (const source of [script, ...sources.sort()]) digest.update(await readFile(source))
  const head = `// Made by scripts/generate.mjs from sources with SHA-256 ${digest.digest('hex')}.\n`
  const old = await readFile(file, 'utf8').catch(() => '')
  if (old.startsWith(head)) return
  await mkdir(dirname(file), { recursive: true })
  const texts = Object.entries(await make())
  const lines = texts.map(([name, text]) => `export const ${name}: string = ${JSON.stringify(text)}\n`)
  await writeFile(file, head + lines.join(''))
}

/** The WebAssembly bytes of skip.wat in base64. */
async function assembleSkipper() {
  const { default: loadWabt } = await import('wabt')
  const wabt = await loadWabt()
  const module = wabt.parseWat('skip.wat', await readFile(join(scanner, 'skip.wat'), 'utf8'), { simd: true })
  module.validate()
  return { skipWasm: Buffer.from(module.toBinary({}).buffer).toString('base64') }
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
  return { bunzip2Worker: outputFiles[0].text }
}

/** The script of a page, with everything it imports, and its style. */
async function bundlePage(folder) {
  const { build } = await import('esbuild')
  const { outputFiles } = await build({
    entryPoints: [join(folder, 'main.ts'), join(folder, 'style.css')],
    write: false,
    outdir: folder,
    bundle: true,
    minify: true,
    platform: 'browser',
    format: 'iife',
    target: ['es2022', 'chrome111', 'firefox115', 'safari16.4'],
    conditions: ['source'],
    charset: 'ascii',
    legalComments: 'inline',
    logLevel: 'warning',
  })
  const textOf = name => outputFiles.find(({ path }) => relative(folder, path) === name).text
  return { script: textOf('main.js'), style: textOf('style.css') }
}

if (process.argv[1] === script) await generate()
