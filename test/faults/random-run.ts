// Faults of all kinds at seeded random moments, until the samples are through.
import { setTimeout as delay } from 'node:timers/promises'
import { ACTIONS, type ActionName, repair } from './actions.js'
import { ENDPOINTS, HTTP_FAULTS, script } from './endpoints.js'
import { type Rig, SERVICES } from './rig.js'
import type { Cell } from './run-cell.js'
import { runChanged, SHORT_UPLOAD_PAUSE } from './variant.js'

export interface RandomRun {
  readonly samples: number
  /** How many faults strike. */
  readonly faults: number
  /** The longest pause between two of them, in milliseconds. */
  readonly pauseMs: number
  /** How often the broker itself goes down. */
  readonly brokerFaults: number
}

export function randomCell({ samples, faults, pauseMs, brokerFaults }: RandomRun, name: string): Cell {
  return {
    fault: 'all kinds',
    moment: name,
    samples,
    mayDouble: true,
    mayDump: true,
    deadlineMs: 300_000,
    async arm(rig, { random, after }) {
      // A single file that fails is tried again after ten minutes.
      after(await runChanged(rig, 'parse_and_submit', SHORT_UPLOAD_PAUSE))
      return async () => {
        const brokerTurns = new Set(Array.from({ length: brokerFaults }, () => Math.floor(random() * faults)))
        for (let turn = 0; turn < faults; turn += 1) {
          await delay(random() * pauseMs)
          if (brokerTurns.has(turn))
            await ACTIONS[pick<ActionName>(['broker kill -9', 'broker stop_app'], random)](rig, 'overseer')
          else await strike(rig, random)
        }
        repair(rig)
      }
    },
  }
}

async function strike(rig: Rig, random: () => number): Promise<void> {
  if (random() < 0.5) {
    const fault = pick(Object.values(HTTP_FAULTS), random)
    script(rig, pick(Object.values(ENDPOINTS), random), fault, 1, 1 + Math.floor(random() * 5))
    return
  }
  const service = pick(SERVICES, random)
  const action = pick<ActionName>(['SIGKILL', 'SIGTERM', 'connections reset', 'connections stalled'], random)
  await ACTIONS[action](rig, service)
  rig.taps[service].release()
}

function pick<T>(list: readonly T[], random: () => number): T {
  const chosen = list[Math.floor(random() * list.length)]
  if (chosen === undefined) throw new RangeError('nothing to pick from')
  return chosen
}

/** Numbers in [0, 1) that a seed repeats (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
