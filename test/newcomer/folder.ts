// A machine for whoever follows the documentation: code blocks run in a folder that stands for `/`, with
// stand-ins for the programs of the system, and everything of ours as it is.
import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { type PrivateRabbitMq, type ServiceProcess, spawnService } from '@cuckoo-distributed/testing'
import { root } from '../project.js'
import { type Block, changed, type Machine, named, type Outcome } from './blocks.js'

const STAND_INS = {
  'apt-get': '',
  'systemd-sysusers': '',
  chown: '',
  npm: '',
  runuser: 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"',
  // Owners that the machine of the test does not have.
  install: 'args=$(printf "%s\\n" "$@" | sed -e "/^-[og]$/,+1d"); IFS="\n"; exec /usr/bin/install $args',
  rabbitmqctl:
    'for arg in "$@"; do printf "%s\\t" "$arg"; done >> "$MACHINE/rabbitmqctl"; echo >> "$MACHINE/rabbitmqctl"',
  systemctl:
    'for arg in "$@"; do case $arg in cuckoo_distributed@[a-z]*) echo "${arg#*@}" >> "$MACHINE/started";; esac; done',
  journalctl: 'cat "$MACHINE/journal"',
}

export class FolderMachine implements Machine {
  readonly #folder: string
  readonly #t: TestContext
  readonly #node: PrivateRabbitMq
  readonly names: Record<string, string>
  readonly #services: ServiceProcess[] = []

  private constructor(folder: string, t: TestContext, node: PrivateRabbitMq, names: Record<string, string>) {
    this.#folder = folder
    this.#t = t
    this.#node = node
    this.names = names
  }

  static async make(t: TestContext, node: PrivateRabbitMq, names: Record<string, string>): Promise<FolderMachine> {
    const folder = await mkdtemp(join(tmpdir(), 'newcomer-'))
    t.after(() => rm(folder, { recursive: true, force: true }))
    for (const path of ['bin', 'etc/systemd/system', 'usr/local/sbin', 'opt', 'var/lib/rabbitmq']) {
      await mkdir(join(folder, path), { recursive: true })
    }
    for (const [name, script] of Object.entries(STAND_INS)) {
      await writeFile(join(folder, 'bin', name), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
    }
    for (const name of ['rabbitmqctl', 'started', 'journal']) await writeFile(join(folder, name), '')
    return new FolderMachine(folder, t, node, names)
  }

  async follow({ file, text }: Block): Promise<Outcome> {
    if (file !== undefined) {
      await this.#write(file, text)
      return { code: 0, output: '' }
    }
    await writeFile(join(this.#folder, 'journal'), this.#services.flatMap(({ output }) => output).join('\n'))
    const outcome = await this.#run(this.#here(text))
    await this.#afterwards()
    return outcome
  }

  async logged(message: string): Promise<number> {
    return this.#services.flatMap(({ log }) => log).filter(({ msg }) => msg === message).length
  }

  async #write(file: string, text: string): Promise<void> {
    const content = changed(basename(file), this.#here(text))
    await mkdir(dirname(this.#here(file)), { recursive: true })
    await writeFile(this.#here(file), content)
  }

  #run(script: string): Promise<Outcome> {
    const paths = [join(this.#folder, 'bin'), join(this.#folder, 'usr/local/sbin'), process.env.PATH]
    const env = { ...process.env, PATH: paths.join(':'), MACHINE: this.#folder }
    return new Promise(resolve => {
      execFile('/bin/sh', ['-e', '-c', script], { cwd: root, env, timeout: 300_000 }, (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1
        resolve({ code, output: stdout + stderr })
      })
    })
  }

  /** What the programs of the system were asked to do is done here. */
  async #afterwards(): Promise<void> {
    const pipeline = join(this.#folder, 'usr/local/sbin/pipeline')
    const script = await readFile(pipeline, 'utf8').catch(() => undefined)
    if (script !== undefined && !script.includes(this.#folder)) {
      await writeFile(pipeline, this.#here(script))
      await chmod(pipeline, 0o755)
    }
    for (const line of await this.#taken('rabbitmqctl')) await this.#node.rabbitmqctl(...line.split('\t').slice(0, -1))
    const secrets = await readFile(this.#here('/etc/cuckoo_distributed/secrets.env'), 'utf8').catch(() => '')
    const [, url = ''] = /^AMQP_URL='(.*)'$/m.exec(secrets) ?? []
    for (const name of await this.#taken('started')) {
      const args = ['--config', this.#here(`/etc/cuckoo_distributed/${name}.conf.json`)]
      const service = this.#here(`/opt/cuckoo_distributed/${name}.mjs`)
      this.#services.push(await spawnService(this.#t, service, { args, env: { AMQP_URL: url } }))
    }
  }

  async #taken(name: string): Promise<string[]> {
    const path = join(this.#folder, name)
    const lines = (await readFile(path, 'utf8')).split('\n').filter(Boolean)
    await writeFile(path, '')
    return lines
  }

  /** Names of the documentation as this machine has them. */
  #here(text: string): string {
    const moved = text.replaceAll(/(?<![\w.-])\/(etc|opt|var\/lib|usr\/local)\//g, `${this.#folder}/$1/`)
    const names = {
      '/usr/bin/node': process.execPath,
      '127.0.0.1:5672': `127.0.0.1:${this.#node.port}`,
      ...this.names,
    }
    return named(moved, names)
  }
}
