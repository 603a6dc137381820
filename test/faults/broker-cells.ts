// Faults of the broker: its queues, its limits, its alarms, and what it delivers twice.
import { TestBroker, waitFor } from '@cuckoo-distributed/testing'
import { ACTIONS } from './actions.js'
import type { Moment } from './amqp-tap.js'
import { failTwice, MOMENTS } from './cells.js'
import { ENDPOINTS, type EndpointName, script } from './endpoints.js'
import { QUEUES, type Rig, SERVICES, type ServiceName } from './rig.js'
import type { Cell } from './run-cell.js'
import { setPace } from './sandbox-cells.js'

export function queueRemade(queue: string): Cell {
  return {
    fault: 'queue deleted and remade',
    moment: queue,
    async arm(rig) {
      await rig.node.ctl('delete_queue', queue)
      const isRemade = async () =>
        (await rig.node.queues()).some(({ name, consumers }) => name === queue && consumers > 0)
      await waitFor(isRemade, { describe: `${queue} to be remade`, everyMs: 200 })
      return async () => undefined
    },
  }
}

/** Somebody has declared a queue with other arguments while the services were cut off; it is deleted again. */
export function queueWithOtherArguments(queue: string): Cell {
  return {
    fault: 'queue with other arguments',
    moment: queue,
    async arm(rig) {
      if (queue === QUEUES.failed) failTwice(rig)
      for (const name of SERVICES) rig.taps[name].stall()
      const broker = await TestBroker.connect(rig.node.url)
      await broker.delete(queue)
      await broker.declare(queue, { arguments: { 'x-max-priority': 5 } })
      const declares = queue === QUEUES.parse ? 'check_results' : 'feed_cuckoo'
      const refused = rig.services[declares].nextLog(/cannot reach the broker; waiting/)
      for (const name of SERVICES) {
        rig.taps[name].cut()
        rig.taps[name].release()
      }
      return async () => {
        try {
          await refused()
        } finally {
          await broker.delete(queue)
          await broker.close()
        }
      }
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
    const refused = rig.services.feed_cuckoo.nextLog(/the queue rejects a message/)
    return async () => {
      await refused()
      await rig.node.ctl('clear_policy', 'full')
    }
  },
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

/** The broker has lost every connection of a service; the service hears nothing, and finds out by its heartbeats. */
export function halfOpen(service: ServiceName, moment: Moment): Cell {
  return {
    fault: 'connections half open',
    moment: `${service}, ${MOMENTS[moment]}`,
    mayDouble: moment !== 'publish',
    async arm(rig, { after }) {
      const Amqp = `${rig.taps[service].through(rig.node.url)}?heartbeat=2`
      after(await rig.services[service].replace({ config: { Amqp } }))
      if (service === 'overseer') failTwice(rig)
      const held = rig.taps[service].hold(moment)
      return async () => {
        await held
        const noticed = rig.services[service].nextLog(/lost the connection to the broker/)
        rig.taps[service].halfOpen()
        await noticed()
      }
    },
  }
}

/** The broker closes the channel of a service that holds a message for longer than it allows. */
export function consumerTimeout(service: ServiceName, endpoint: EndpointName): Cell {
  return {
    fault: 'consumer timeout (channel closed)',
    moment: service,
    mayDouble: service === 'parse_and_submit',
    async arm(rig, { after }) {
      const reset = () => setForNewChannels(rig, { consumer_timeout: 1_800_000, channel_tick_interval: 60_000 })
      after(reset)
      await setForNewChannels(rig, { consumer_timeout: 1000, channel_tick_interval: 200 })
      if (service === 'check_results') setPace(rig, 4000, after)
      else script(rig, ENDPOINTS[endpoint], { kind: 'slow', milliseconds: 3000 })
      after(await rig.services[service].replace({}))
      const closed = rig.services[service].nextLog(/lost the connection to the broker/)
      return async () => {
        await closed()
        await reset()
      }
    },
  }
}

/** A failed message is above what the broker takes; the limit is raised when FailedQueue has refused it. */
export const OVERSIZE: Cell = {
  fault: "message above the broker's size limit",
  moment: 'feed_cuckoo, failed message',
  sampleBytes: 50_000,
  async arm(rig, { after }) {
    rig.taps.feed_cuckoo.stall()
    failTwice(rig)
    const reset = () => setForNewChannels(rig, { max_message_size: 134_217_728 })
    after(reset)
    return async () => {
      await setForNewChannels(rig, { max_message_size: 20_000 })
      const refused = rig.services.feed_cuckoo.nextLog(/FailedQueue rejects the message/)
      rig.taps.feed_cuckoo.cut()
      rig.taps.feed_cuckoo.release()
      await refused()
      await reset()
    }
  },
}

/** Variables of the broker that a channel reads when it is opened; the values are those of RabbitMQ 3.10 otherwise. */
async function setForNewChannels(rig: Rig, variables: Readonly<Record<string, number>>): Promise<void> {
  const calls = Object.entries(variables).map(([name, value]) => `application:set_env(rabbit, ${name}, ${value})`)
  await rig.node.ctl('eval', `${calls.join(', ')}.`)
}

/** CRITs sends each message twice: these are two messages, and two analyses. */
export const PUBLISHED_TWICE: Cell = {
  fault: 'message published twice',
  moment: 'by CRITs',
  copies: 2,
  mayDouble: true,
  mayRepeat: true,
  async arm() {
    return async () => undefined
  },
}
