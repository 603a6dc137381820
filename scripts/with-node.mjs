// node scripts/with-node.mjs SCRIPT [ARGUMENT…]: runs a script with the Node that goes into the binaries, whatever Node is
// installed. It comes from npm's registry as scripts/node/package-lock.json pins it, and is gone afterwards.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const pinned = join(dirname(fileURLToPath(import.meta.url)), 'node')
const [script, ...args] = process.argv.slice(2)
if (script === undefined) {
  console.error('usage: node scripts/with-node.mjs SCRIPT [ARGUMENT…]')
  process.exit(2)
}
// A signal of the terminal reaches the script as well, and ends it first.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => {})
const folder = await mkdtemp(join(tmpdir(), 'node-'))
try {
  const node = await fetchNode()
  process.exitCode = node === undefined ? 1 : await run(node)
} finally {
  await rm(folder, { recursive: true, force: true })
}

/** The program, or nothing after one sentence about why there is none. */
async function fetchNode() {
  const name = `node-${process.platform}-${process.arch}`
  const { optionalDependencies: versions } = JSON.parse(await readFile(join(pinned, 'package.json'), 'utf8'))
  if (versions[name] === undefined) return without(`there are no binaries for ${process.platform} on ${process.arch}`)
  // The project's own .npmrc does not count there: a registry is configured for the user.
  for (const file of ['package.json', 'package-lock.json']) await copyFile(join(pinned, file), join(folder, file))
  const options = ['--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund', '--include=optional']
  const { status, error, stderr } = spawnSync('npm', ['ci', ...options], { cwd: folder, encoding: 'utf8' })
  if (error !== undefined) return without(`npm cannot be run: ${error.message}`)
  const program = join(folder, 'node_modules', name, 'bin', 'node')
  // npm goes on without an optional package that it cannot get, and does not say so.
  if (status === 0 && existsSync(program)) return program
  const reason = /npm error (?!code)(.+)/.exec(stderr)?.[1] ?? 'is the registry in reach?'
  return without(`${name} ${versions[name]} cannot be had from npm's registry: ${reason}`)
}

function without(problem) {
  console.error(`${problem}; with a Node 26 of your own: node ${[script, ...args].join(' ')}`)
}

async function run(node) {
  const [code, signal] = await once(spawn(node, [script, ...args], { stdio: 'inherit' }), 'exit')
  return signal === null ? code : 1
}
