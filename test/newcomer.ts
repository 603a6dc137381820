// A machine for whoever follows the documentation: the code blocks of a page run in a folder that stands for `/`, with
// stand-ins for the programs of the system, and everything of ours as it is.
import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { type PrivateRabbitMq, type ServiceProcess, spawnService } from '@cuckoo-distributed/testing'
import { root } from './project.js'

/** A code block of a page. */
export interface Block {
  /** The heading that it stands below. */
  readonly section: string
  /** The file that it is the content of, when it is no command. */
  readonly file: string | undefined
  readonly text: string
}

/** What a block of commands has printed, and how its last one ended. */
export interface Outcome {
  readonly code: number
  readonly output: string
}

/** Blocks of commands, and blocks that the line before them says are a file of ours, in their order. */
export function blocksOf(markdown: string): Block[] {
  return markdown.split(/^## /m).flatMap(part => {
    const section = part.split('\n', 1)[0] ?? ''
    const blocks = part.matchAll(/(?:^`(\/etc\/cuckoo_distributed\/[^`]+)`[^\n]*:\n\n)?^```(sh|json)\n(.*?)^```/gms)
    return [...blocks].map(([, file, , text = '']) => ({ section, file, text }))
  })
}

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

export class Machine {
  readonly #folder: string
  readonly #t: TestContext
  readonly #node: PrivateRabbitMq
  readonly #names: Readonly<Record<string, string>>
  readonly #services: ServiceProcess[] = []
  /** What the administrator changes in a file, by its name. */
  readonly changes: Readonly<Record<string, object>>

  private constructor(folder: string, t: TestContext, { node, names, changes }: MachineParts) {
    this.#folder = folder
    this.#t = t
    this.#node = node
    this.#names = names
    this.changes = changes
  }

  static async make(t: TestContext, parts: MachineParts): Promise<Machine> {
    const folder = await mkdtemp(join(tmpdir(), 'newcomer-'))
    t.after(() => rm(folder, { recursive: true, force: true }))
    for (const path of ['bin', 'etc/systemd/system', 'usr/local/sbin', 'opt', 'var/lib/rabbitmq']) {
      await mkdir(join(folder, path), { recursive: true })
    }
    for (const [name, script] of Object.entries(STAND_INS)) {
      await writeFile(join(folder, 'bin', name), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
    }
    for (const name of ['rabbitmqctl', 'started', 'journal']) await writeFile(join(folder, name), '')
    return new Machine(folder, t, parts)
  }

  /** Writes the file of a block, or runs its commands to their end. */
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

  /** Every line that the services have logged. */
  logged(message: string): number {
    return this.#services.flatMap(({ log }) => log).filter(({ msg }) => msg === message).length
  }

  async #write(file: string, text: string): Promise<void> {
    const change = this.changes[basename(file)]
    const written = this.#here(text)
    const content = change === undefined ? written : JSON.stringify({ ...JSON.parse(written), ...change })
    await mkdir(dirname(this.#here(file)), { recursive: true })
    await writeFile(this.#here(file), content)
  }

  #run(script: string): Promise<Outcome> {
    const paths = [join(this.#folder, 'bin'), join(this.#folder, 'usr/local/sbin'), process.env.PATH]
    const env = { ...process.env, PATH: paths.join(':'), MACHINE: this.#folder }
    return new Promise(resolve => {
      execFile('/bin/sh', ['-e', '-c', script], { cwd: root, env, timeout: 60_000 }, (error, stdout, stderr) => {
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
    for (const line of await this.#taken('rabbitmqctl')) await this.#node.ctl(...line.split('\t').slice(0, -1))
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
      ...this.#names,
    }
    return Object.entries(names).reduce((now, [from, to]) => now.replaceAll(from, to), moved)
  }
}

export interface MachineParts {
  readonly node: PrivateRabbitMq
  /** What stands in the documentation, and what stands here in its place. Read again with each block. */
  readonly names: Record<string, string>
  readonly changes: Readonly<Record<string, object>>
}
