/** What a machine must be for a task: tasks with the same text can run on the same nodes. */
import type { Machine, TaskOptions } from './model.js'

interface Requirement {
  readonly platform: string | null
  readonly machine: string | null
  readonly tags: readonly string[]
}

/** The requirement as one text that is equal for equal requirements, whatever order the tags were written in. */
export function requirementOf({ platform, machine, tags }: Pick<TaskOptions, 'platform' | 'machine' | 'tags'>): string {
  return JSON.stringify([platform || null, machine || null, ...splitTags(tags)])
}

/** Tags as Cuckoo reads them: separated by commas, spaces around them stripped (`cuckoosandbox/cuckoo:lib/cuckoo/core/database.py`). */
export function splitTags(tags: string | null): string[] {
  const names = (tags ?? '').split(',').map(tag => tag.trim())
  return [...new Set(names.filter(tag => tag !== ''))].sort()
}

/** Whether a machine can run tasks with this requirement. A machine without platform runs all of them. */
export function satisfies(machine: Machine, requirement: string): boolean {
  const wanted = parse(requirement)
  return (
    (wanted.machine === null || machine.name === wanted.machine) &&
    (wanted.platform === null || machine.platform === '' || machine.platform === wanted.platform) &&
    wanted.tags.every(tag => machine.tags.includes(tag))
  )
}

/** The requirement in words, e.g. `platform windows, tags office,xp`. */
export function describeRequirement(requirement: string): string {
  const { platform, machine, tags } = parse(requirement)
  const parts = [
    platform !== null && `platform ${platform}`,
    machine !== null && `name ${machine}`,
    tags.length > 0 && `tags ${tags.join(',')}`,
  ]
  return parts.filter(part => part !== false).join(', ') || 'any task'
}

function parse(requirement: string): Requirement {
  const [platform, machine, ...tags]: (string | null)[] = JSON.parse(requirement)
  return { platform: platform ?? null, machine: machine ?? null, tags: tags.map(String) }
}
