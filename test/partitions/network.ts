// Hosts of our own on one machine: network namespaces on one bridge, between which the way can be cut in either direction.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Nobody has this address: what is sent to it is flooded by the bridge and dropped by everyone, as on a dead line. */
const NOBODY = '02:00:00:00:00:ff'

export interface Host {
  readonly namespace: string
  /** Its IPv4 address on the bridge. */
  readonly address: string
}

/** Whether this process may make network namespaces. */
export async function canPartition(): Promise<boolean> {
  const probe = `probe-${process.pid}`
  try {
    await ip('netns', 'add', probe)
    await ip('netns', 'del', probe)
    return true
  } catch {
    return false // no such program, or not root: both mean no
  }
}

export class Network implements AsyncDisposable {
  readonly hosts: readonly Host[]
  readonly #bridge: string

  private constructor(hosts: readonly Host[], bridge: string) {
    this.hosts = hosts
    this.#bridge = bridge
  }

  /** Makes `count` hosts that reach one another. `name`: letters and digits, the same for the same network. */
  static async create(name: string, count: number): Promise<Network> {
    const network = Network.existing(name, count)
    await network.#remove()
    await network.#build()
    return network
  }

  /** A network that another process has made. */
  static existing(name: string, count: number): Network {
    const hosts = Array.from({ length: count }, (_, index) => ({
      namespace: `${name}-${index}`,
      address: `10.77.0.${index + 1}`,
    }))
    return new Network(hosts, `${name}-bridge`)
  }

  /** From now on nothing that `from` sends reaches `to`. */
  async cutOneWay(from: number, to: number): Promise<void> {
    await this.#route(from, to, NOBODY)
  }

  /** From now on nothing passes between a host and the others. */
  async cut(one: number, others: readonly number[]): Promise<void> {
    for (const other of others) await Promise.all([this.cutOneWay(one, other), this.cutOneWay(other, one)])
  }

  /** Everybody reaches everybody. */
  async heal(): Promise<void> {
    for (const from of this.hosts.keys()) {
      for (const to of this.hosts.keys()) if (from !== to) await this.#route(from, to, macOf(to))
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#remove()
  }

  async #build(): Promise<void> {
    const bridge = this.#bridge
    await ip('netns', 'add', bridge)
    await ip('-n', bridge, 'link', 'add', 'bridge', 'type', 'bridge')
    await ip('-n', bridge, 'link', 'set', 'bridge', 'up')
    for (const [index, { namespace, address }] of this.hosts.entries()) {
      await ip('netns', 'add', namespace)
      const port = `port${index}`
      await ip('-n', bridge, 'link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace)
      await ip('-n', bridge, 'link', 'set', port, 'master', 'bridge', 'up')
      await ip('-n', namespace, 'link', 'set', 'eth0', 'address', macOf(index))
      await ip('-n', namespace, 'addr', 'add', `${address}/24`, 'dev', 'eth0')
      await ip('-n', namespace, 'link', 'set', 'lo', 'up')
      await ip('-n', namespace, 'link', 'set', 'eth0', 'up')
    }
    await this.heal()
  }

  async #remove(): Promise<void> {
    const { stdout } = await run('ip', ['netns', 'list'])
    const present = new Set(stdout.split('\n').map(line => line.split(' ')[0]))
    for (const name of [this.#bridge, ...this.hosts.map(({ namespace }) => namespace)]) {
      if (present.has(name)) await ip('netns', 'del', name)
    }
  }

  async #route(from: number, to: number, mac: string): Promise<void> {
    const [source, target] = [this.hosts[from], this.hosts[to]]
    if (source === undefined || target === undefined) throw new RangeError(`there is no way from ${from} to ${to}`)
    const entry = [target.address, 'lladdr', mac, 'nud', 'permanent', 'dev', 'eth0']
    await ip('-n', source.namespace, 'neigh', 'replace', ...entry)
  }
}

function macOf(index: number): string {
  return `02:00:00:00:00:0${index + 1}`
}

async function ip(...args: string[]): Promise<void> {
  await run('ip', args)
}
