// A fresh Debian for whoever follows the documentation: a root of its own, booted with systemd-nspawn. It shares the
// network of this machine, on which CRITs and the sandbox stand, and needs root here and port 5672.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { copyFile, mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import type { TestContext } from 'node:test'
import { ProcessGuard, waitFor } from '@cuckoo-distributed/testing'
import { root as project } from '../project.js'
import { type Block, changed, type Machine, named, type Outcome } from './blocks.js'

const SUITE = 'bookworm'
/** What runs inside: systemd, what Node is linked to, and a package manager that knows whom to trust. */
const PACKAGES = 'systemd,systemd-sysv,dbus,ca-certificates,libstdc++6'
const CHECKOUT = '/srv/cuckoo_distributed'
const MINUTE = 60_000

export class DebianMachine implements Machine {
  readonly names: Record<string, string>
  readonly #root: string
  /** Of the first process inside, as this machine counts. */
  #leader = ''

  private constructor(root: string, names: Record<string, string>) {
    this.#root = root
    this.names = names
  }

  /** Downloads, boots and at the end removes it. */
  static async make(t: TestContext, names: Record<string, string>): Promise<DebianMachine> {
    assert.equal(process.getuid?.(), 0, 'a Debian of its own needs root')
    assert.ok(await isFree(5672), 'port 5672 is taken: end the RabbitMQ of this machine')
    const folder = await mkdtemp(join(tmpdir(), 'debian-'))
    const guard = new ProcessGuard(folder)
    t.after(() => guard.release())
    const root = join(folder, 'root')
    const made = await run('debootstrap', ['--variant=minbase', `--include=${PACKAGES}`, SUITE, root], '/')
    assert.equal(made.code, 0, made.output)
    await furnish(root)
    const machine = new DebianMachine(root, names)
    await machine.#boot(guard)
    return machine
  }

  async follow({ file, text }: Block): Promise<Outcome> {
    const here = named(text, this.names)
    if (file !== undefined) {
      await writeFile(join(this.#root, file), changed(basename(file), here))
      return { code: 0, output: '' }
    }
    // Services are built on any machine.
    if (text.startsWith('npm ')) return run('/bin/sh', ['-e', '-c', here], join(this.#root, CHECKOUT))
    return this.#inside(here, / -f$/m.test(text) ? '3' : '300')
  }

  async logged(message: string): Promise<number> {
    const { output } = await this.#inside("journalctl -u 'cuckoo_distributed@*' -o cat", '60')
    return output.split('\n').filter(line => line.includes(`"msg":"${message}"`)).length
  }

  async #boot(guard: ProcessGuard): Promise<void> {
    const args = ['--directory', this.#root, '--boot', '--register=no', '--keep-unit', '--quiet']
    const container = spawn('systemd-nspawn', args, { stdio: ['ignore', 'ignore', 'inherit'] })
    const first = () => readFile(`/proc/${container.pid}/task/${container.pid}/children`, 'utf8')
    const hasBooted = async () => {
      // Its children change until it has made the namespaces.
      this.#leader = (await first()).trim()
      if (this.#leader === '') return false
      // All processes inside go with the first one.
      guard.watch(Number(this.#leader))
      const { output } = await this.#inside('systemctl is-system-running', '30')
      return /^(running|degraded)$/m.test(output)
    }
    await waitFor(hasBooted, { deadlineMs: 2 * MINUTE, everyMs: 500, describe: 'the Debian to have booted' })
  }

  #inside(script: string, seconds: string): Promise<Outcome> {
    const env = ['env', '-i', 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'HOME=/root']
    const command = [...env, 'timeout', seconds, '/bin/sh', '-e', '-c', `cd ${CHECKOUT}\n${script}`]
    return run('nsenter', ['--target', this.#leader, '--all', '--', ...command], '/')
  }
}

/** What the documentation says is there: Node, and a checkout. An administrator answers the package manager with yes. */
async function furnish(root: string): Promise<void> {
  await copyFile(process.execPath, join(root, 'usr/bin/node'))
  await writeFile(join(root, 'etc/apt/apt.conf.d/90yes'), 'APT::Get::Assume-Yes "true";\n')
  const cloned = await run('git', ['clone', '--quiet', '--no-hardlinks', project, join(root, CHECKOUT)], '/')
  assert.equal(cloned.code, 0, cloned.output)
}

function run(command: string, args: readonly string[], cwd: string): Promise<Outcome> {
  const options = { cwd, timeout: 15 * MINUTE, maxBuffer: 64 * 1024 * 1024 }
  return new Promise(resolve => {
    execFile(command, [...args], options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1
      resolve({ code, output: stdout + stderr })
    })
  })
}

function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.once('connect', () => resolve(false)).once('error', () => resolve(true))
    socket.once('connect', () => socket.destroy())
  })
}
