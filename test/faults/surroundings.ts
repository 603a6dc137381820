// Faults of whole servers, and of processes of the same kind.
import { setTimeout as delay } from 'node:timers/promises'
import { SERVICES, type ServiceName } from './rig.js'
import type { Cell } from './run-cell.js'

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

export function serverDown(server: 'sandbox' | 'crits'): Cell {
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
