/** What a machine must be for a task: tasks with the same text can run on the same nodes. */
import type { Machine, Node, TaskOptions } from './model.js'

interface Requirement {
  readonly platform: string | null
  readonly machine: string | null
  readonly tags: readonly string[]
  /** The id of the only node that will do. */
  readonly pin: number | null
}

type Wanted = Pick<TaskOptions, 'platform' | 'machine' | 'tags' | 'pinNodeId'>

/** The requirement as one text that is equal for equal requirements, whatever order the tags were written in. */
export function requirementOf({ platform, machine, tags, pinNodeId }: Wanted): string {
  const pin = pinNodeId === null ? [] : [{ node: pinNodeId }]
  return JSON.stringify([platform || null, machine || null, ...splitTags(tags), ...pin])
}

/** Tags as Cuckoo reads them: separated by commas, spaces around them stripped (`cuckoosandbox/cuckoo:lib/cuckoo/core/database.py`). */
export function splitTags(tags: string | null): string[] {
  const names = (tags ?? '').split(',').map(tag => tag.trim())
  return [...new Set(names.filter(tag => tag !== ''))].sort()
}

/** Whether a machine can run tasks with this requirement, on whichever node it is. A machine without platform runs all of them. */
export function satisfies(machine: Machine, requirement: string): boolean {
  return machinesFor(requirement)(machine)
}

/** The same as a test of many machines. */
export function machinesFor(requirement: string): (machine: Machine) => boolean {
  const wanted = parse(requirement)
  return machine =>
    (wanted.machine === null || machine.name === wanted.machine) &&
    (wanted.platform === null || machine.platform === '' || machine.platform === wanted.platform) &&
    wanted.tags.every(tag => machine.tags.includes(tag))
}

/** The id of the node that tasks with this requirement are pinned to, or null. */
export function pinOf(requirement: string): number | null {
  return parse(requirement).pin
}

/** The requirement in words, e.g. `platform windows, tags office,xp`; the name of a node is from `nodes`. */
export function describeRequirement(requirement: string, nodes: readonly Pick<Node, 'id' | 'name'>[]): string {
  const { platform, machine, tags, pin } = parse(requirement)
  const parts = [
    platform !== null && `platform ${platform}`,
    machine !== null && `name ${machine}`,
    tags.length > 0 && `tags ${tags.join(',')}`,
    pin !== null && `node ${nodes.find(({ id }) => id === pin)?.name ?? pin}`,
  ]
  return parts.filter(part => part !== false).join(', ') || 'any task'
}

function parse(requirement: string): Requirement {
  const [platform, machine, ...rest]: (string | null | { readonly node: number })[] = JSON.parse(requirement)
  const last = rest.at(-1)
  const pin = typeof last === 'object' && last !== null ? last.node : null
  const tags = pin === null ? rest : rest.slice(0, -1)
  return { platform: text(platform), machine: text(machine), tags: tags.map(String), pin }
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}
