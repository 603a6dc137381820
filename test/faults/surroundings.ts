// Faults of what the pipeline stands on: directories, queues, servers, and processes of the same kind.
import { rename, rm, writeFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { waitFor } from '@cuckoo-distributed/testing'
import { ACTIONS } from './actions.js'
import { QUEUES, type Rig, SERVICES, type ServiceName } from './rig.js'
import type { Cell } from './run-cell.js'

/** The dump directory is gone, with a file in its place, while messages are to be dumped and the overseer dies. */
export function dumpDirGone(action: 'SIGKILL' | 'SIGTERM'): Cell {
  return {
    fault: 'DumpDir gone',
    moment: `mid-dump, ${action}`,
    mayDump: true,
    async arm(rig, _, ended) {
      failAnalyses(rig, ended)
      const away = `${rig.dumpDir}.away`
      await rename(rig.dumpDir, away)
      await writeFile(rig.dumpDir, 'not a directory')
      return async () => {
        await waitFor(() => logged(rig, 'overseer', /DumpDir cannot be written to/), {
          describe: 'a dump that cannot be written',
          deadlineMs: 60_000,
        })
        await rm(rig.dumpDir)
        const ended = rig.services.overseer.end(action)
        await rename(away, rig.dumpDir)
        await ended
      }
    },
  }
}

export const ANALYSES_FAIL: Cell = {
  fault: 'failed_analysis',
  moment: 'during the wait',
  mayDump: true,
  async arm(rig, _, ended) {
    failAnalyses(rig, ended)
    return async () => undefined
  },
}

export function queueRemade(queue: string): Cell {
  return {
    fault: 'queue deleted and remade',
    moment: queue,
    async arm(rig) {
      await rig.node.ctl('delete_queue', queue)
      const isRemade = async () =>
        (await rig.node.queues()).some(({ name, consumers }) => name === queue && consumers > 0)
      await waitFor(isRemade, { describe: `${queue} to be remade`, deadlineMs: 30_000, everyMs: 200 })
      return async () => undefined
    },
  }
}

export const FULL_QUEUE: Cell = {
  fault: 'full queue (reject-publish)',
  moment: QUEUES.check,
  mayDump: true,
  async arm(rig) {
    const full = JSON.stringify({ 'max-length': 0, overflow: 'reject-publish' })
    await rig.node.ctl('set_policy', '--apply-to', 'queues', 'full', `^${QUEUES.check}$`, full)
    return async () => {
      await waitFor(() => logged(rig, 'feed_cuckoo', /goes to FailedQueue/), {
        describe: 'a refused message',
        deadlineMs: 30_000,
      })
      await rig.node.ctl('clear_policy', 'full')
    }
  },
}

export function serverDown(server: 'cuckoo' | 'crits'): Cell {
  return {
    fault: `${server} away for 3 s`,
    moment: 'any',
    mayDouble: server === 'crits',
    samples: 8,
    async arm(rig) {
      return async () => {
        await rig[server].down()
        await delay(3000)
        await rig[server].up()
      }
    },
  }
}

/** One node of the cluster dies; services reach the others as they would through a load balancer. */
export function nodeKilled(index: number): Cell {
  return {
    fault: `node ${index + 1} of 3 kill -9`,
    moment: 'quorum queues',
    samples: 12,
    mayDouble: true,
    async arm(rig) {
      return async () => {
        const node = rig.nodes[index]
        const other = rig.nodes[(index + 1) % rig.nodes.length]
        if (node === undefined || other === undefined) throw new RangeError(`there is no node ${index + 1}`)
        await node.kill()
        for (const name of SERVICES) rig.taps[name].moveTo(other.port)
        await delay(3000)
        await node.start()
      }
    },
  }
}

/** A second process of a stage consumes the same queue, and one of the two is killed. */
export function twoInstances(service: ServiceName): Cell {
  return {
    fault: 'two instances, one killed',
    moment: service,
    samples: 12,
    mayDouble: true,
    async arm(rig) {
      const twin = await rig.twin(service)
      return async () => {
        await delay(500)
        await twin.end('SIGKILL')
        await delay(500)
        await twin.stop()
      }
    },
  }
}

/** Alarms reach no moment of one service: they hold all publishers. */
export function alarm(action: 'memory alarm' | 'disk alarm'): Cell {
  return {
    fault: action,
    moment: 'any',
    samples: 8,
    async arm(rig) {
      return () => ACTIONS[action](rig, 'feed_cuckoo')
    },
  }
}

/** Moves every new task to `failed_analysis` until the run has ended. */
export function failAnalyses(rig: Rig, ended: AbortSignal): void {
  const from = rig.cuckoo.submissions.length
  const timer = setInterval(() => {
    for (const task of rig.cuckoo.submissions.slice(from)) {
      if (task.status === 'pending' || task.status === 'running') rig.cuckoo.move(task.id, 'failed_analysis')
    }
  }, 5)
  ended.addEventListener('abort', () => clearInterval(timer), { once: true })
}

function logged(rig: Rig, service: ServiceName, pattern: RegExp): boolean {
  return rig.services[service].log.some(line => pattern.test(line.msg))
}
