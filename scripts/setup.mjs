// What a fresh clone needs before anything can run: the packages of the lock file, and servers for tests and demo.
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

/** What comes from the system's packages, by the name under which it is asked for. */
const PROGRAMS = {
  rabbitMq: {
    name: 'rabbitmq-server',
    isThere: () => process.env.RABBITMQ_URL || isProgram('rabbitmq-server'),
    instead: '`docker run -d -p 127.0.0.1:5672:5672 rabbitmq:4` and set RABBITMQ_URL=amqp://guest:guest@127.0.0.1:5672',
  },
  /** It packs what a stand-in Cuckoo sends. */
  bzip2: {
    name: 'bzip2',
    isThere: () => isProgram('bzip2'),
    instead: 'put the program bzip2 of your system into PATH',
  },
  postgres: {
    name: 'postgresql',
    isThere: () => process.env.POSTGRES_URL || existsSync('/usr/lib/postgresql') || isProgram('initdb'),
    instead: 'start a server of your own and set POSTGRES_URL=postgres://USER:PASSWORD@HOST:PORT/postgres',
  },
  /** It tests the alerts. */
  promtool: {
    name: 'prometheus',
    isThere: () => isProgram('promtool'),
    instead: 'put promtool of another Prometheus into PATH',
  },
  chromium: {
    name: 'chromium',
    isThere: () => process.env.CHROMIUM || isProgram('chromium'),
    instead: 'set CHROMIUM to the program of another Chromium',
  },
  /** For the tests of the CRITs service, which run under Debian's Python. */
  python: {
    name: 'python3-kombu python3-django openssl',
    isThere: () =>
      spawnSync(process.env.PYTHON ?? '/usr/bin/python3', ['-c', 'import kombu, django'], { stdio: 'ignore' })
        .status === 0,
    instead: 'set PYTHON to a Python 3 that has kombu and Django',
  },
  /** They read the units and the logrotate file. Tests of these are skipped, and say so, where nothing installs them. */
  systemd: {
    name: 'systemd logrotate',
    isThere: () => (isProgram('systemd-analyze') && isProgram('logrotate')) || rootPrefix() === undefined,
    instead: 'install systemd and logrotate',
  },
  debian: {
    name: 'debootstrap systemd-container',
    isThere: () => isProgram('debootstrap') && isProgram('systemd-nspawn'),
    instead: 'install debootstrap and systemd-nspawn',
  },
}

/** Makes everything ready, with those of `PROGRAMS` that are asked for. Throws SetupError. */
export function setUp(asked) {
  checkNode()
  ensureDependencies()
  const missing = Object.keys(PROGRAMS).filter(key => asked[key] && !PROGRAMS[key].isThere())
  for (const key of missing) install(PROGRAMS[key])
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

/** Installs packages of the system; says what it does before it does it. */
function install({ name, isThere, instead }) {
  const asRoot = rootPrefix()
  if (asRoot === undefined) {
    throw new SetupError(
      `${name} is not installed: run \`apt-get update && apt-get install --no-install-recommends ${name}\` as root, or ${instead}`,
    )
  }
  console.log(`installing ${name} with apt-get; system services of them are neither started nor enabled`)
  const [command, ...args] = [...asRoot, '/bin/sh', '-c', installPackages, 'install', ...name.split(' ')]
  if (run(command, args).status !== 0 || !isThere()) {
    throw new SetupError(`${name} could not be installed, see the messages above; alternatively ${instead}`)
  }
}

// policy-rc.d is how Debian is told not to start the services of the packages being installed (`man 8 invoke-rc.d`).
const installPackages = `
set -e
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  trap 'exit 1' HUP INT TERM
  printf '#!/bin/sh\\nexit 101\\n' > "$policy"
  chmod 755 "$policy"
fi
apt-get update
DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$@"
for package in "$@"; do
  if [ -d /run/systemd/system ] && systemctl cat "$package" >/dev/null 2>&1; then systemctl disable "$package"; fi
done
`

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
