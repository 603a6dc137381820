/** Answers of the server as lines for people. */

/** A line for each node: name, state, tasks of ours there, what it counts itself, and its last error. */
export function nodeLines(status: unknown): string[] {
  const counters = membersOf(memberOf(status, 'nodes'))
  return Object.entries(membersOf(memberOf(status, 'node_states'))).map(([name, node]) => {
    const { state, in_flight, machines, error } = membersOf(node)
    const { pending = '-', running = '-' } = membersOf(counters[name])
    return row([
      name,
      state,
      `in flight ${in_flight}`,
      `machines ${machines}`,
      `pending ${pending}`,
      `running ${running}`,
      error,
    ])
  })
}

/** A line for each task: id, state, node, name, and what went wrong last. */
export function taskLines(answer: unknown): string[] {
  return Object.entries(membersOf(memberOf(answer, 'tasks'))).map(([id, task]) => {
    const { status, node, filename, url, error } = membersOf(task)
    return row([id, status, node ?? '-', filename ?? url, error])
  })
}

/** A line for each member. */
export function outcomeLines(answer: unknown): string[] {
  const [only, ...others] = Object.values(membersOf(memberOf(answer, 'tasks')))
  const shown = others.length === 0 && typeof only === 'object' ? only : answer
  return Object.entries(membersOf(shown)).map(([name, value]) => `${name}: ${plain(value)}`)
}

function row(cells: readonly unknown[]): string {
  return cells
    .filter(cell => cell !== null && cell !== undefined)
    .map(plain)
    .join('  ')
}

function plain(value: unknown): string {
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value)
}

function memberOf(value: unknown, name: string): unknown {
  return membersOf(value)[name]
}

function membersOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}
