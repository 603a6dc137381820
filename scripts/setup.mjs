// What a fresh clone needs before anything can run: the packages of the lock file, and RabbitMQ for tests and demo.
// Runs before node_modules exists, so it uses nothing but Node.
import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

/** Set-up is not possible; the message is one sentence for the user that says what to do. */
export class SetupError extends Error {
  name = 'SetupError'
  code = 'SETUP_FAILED'
}

/** Makes everything ready; `rabbitMq: false` leaves the broker out. Throws SetupError. */
export function setUp({ rabbitMq }) {
  checkNode()
  ensureDependencies()
  if (rabbitMq) ensureRabbitMq()
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > 20 || (major === 20 && minor >= 19)) return
  throw new SetupError(`Node 20.19 or newer is needed, this is ${process.versions.node}: see https://nodejs.org/`)
}

/** Installs the packages of the lock file when they are missing or others than it names. */
function ensureDependencies() {
  if (isInstalled()) return
  console.log('installing the packages of package-lock.json (npm ci)')
  const { status, error } = run('npm', ['ci', '--include=dev', '--ignore-scripts'])
  if (status !== 0) throw new SetupError(`npm ci failed: ${error?.message ?? 'see its messages above'}`)
}

/** Compares with what npm noted when it last installed; a package for other systems is optional and may be absent. */
function isInstalled() {
  const note = join(root, 'node_modules', '.package-lock.json')
  if (!existsSync(note)) return false
  const packagesOf = file => JSON.parse(readFileSync(file, 'utf8')).packages
  const installed = packagesOf(note)
  return Object.entries(packagesOf(join(root, 'package-lock.json')))
    .filter(([path, entry]) => path.startsWith('node_modules/') && !(entry.optional && installed[path] === undefined))
    .every(([path, entry]) => installed[path]?.version === entry.version && installed[path] !== undefined)
}

/** Installs RabbitMQ when neither a broker is named nor a program found; says what it does before it does it. */
function ensureRabbitMq() {
  if (process.env.RABBITMQ_URL || hasRabbitMq()) return
  const asRoot = rootPrefix()
  if (asRoot === undefined) {
    throw new SetupError(
      'rabbitmq-server is not installed: run `apt-get update && apt-get install --no-install-recommends rabbitmq-server` ' +
        'as root, or `docker compose up -d rabbitmq` and set RABBITMQ_URL=amqp://cuckoo:cuckoo@127.0.0.1:5672',
    )
  }
  console.log('installing the package rabbitmq-server with apt-get; its system service is neither started nor enabled')
  const [command, ...args] = [...asRoot, '/bin/sh', '-c', installRabbitMq]
  if (run(command, args).status !== 0 || !hasRabbitMq()) {
    throw new SetupError(
      'rabbitmq-server could not be installed, see the messages above; alternatively run `docker compose up -d rabbitmq` ' +
        'and set RABBITMQ_URL=amqp://cuckoo:cuckoo@127.0.0.1:5672',
    )
  }
}

// policy-rc.d is how Debian is told not to start the services of the packages being installed (`man 8 invoke-rc.d`).
const installRabbitMq = `
set -e
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  trap 'exit 1' HUP INT TERM
  printf '#!/bin/sh\\nexit 101\\n' > "$policy"
  chmod 755 "$policy"
fi
apt-get update
DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends rabbitmq-server
if [ -d /run/systemd/system ]; then systemctl disable rabbitmq-server; fi
`

function hasRabbitMq() {
  return isProgram('rabbitmq-server')
}

/** What to put before a command to run it as root; undefined where that is not possible, or where there is no apt-get. */
function rootPrefix() {
  if (!isProgram('apt-get')) return undefined
  if (process.getuid?.() === 0) return []
  return spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0 ? ['sudo', '-n'] : undefined
}

function isProgram(name) {
  const folders = [...(process.env.PATH ?? '').split(delimiter).filter(Boolean), '/usr/sbin', '/usr/bin']
  return folders.some(folder => {
    try {
      accessSync(join(folder, name), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

function run(command, args) {
  return spawnSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
}
