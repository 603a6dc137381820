import {
  badge,
  type Column,
  confirmed,
  dataTable,
  html,
  since,
  type TemplateResult,
  type Tone,
} from '@cuckoo-distributed/page/browser'
import type { NodeState, Status } from './api.js'
import type { Cluster } from './cluster.js'

type Row = NodeState & {
  readonly name: string
  readonly pending: number | undefined
  readonly running: number | undefined
}

const TONES: Readonly<Record<string, Tone>> = { up: 'good', new: 'busy', draining: 'warn', disabled: 'idle' }

export function nodesPart({ node_states, nodes, timestamp }: Status, cluster: Cluster): TemplateResult {
  const rows: Row[] = Object.entries(node_states).map(([name, node]) => {
    return { name, ...node, pending: nodes[name]?.pending, running: nodes[name]?.running }
  })
  const columns: readonly Column<Row>[] = [
    { title: 'name', cell: ({ name, url }) => html`<a href=${url} rel="noreferrer">${name}</a>` },
    { title: 'state', isShort: true, cell: stateOf },
    { title: 'kind', isShort: true, cell: ({ kind }) => kind },
    { title: 'machines', isNumber: true, cell: ({ machines }) => machines },
    { title: 'our tasks', isNumber: true, cell: ({ in_flight }) => in_flight },
    { title: 'pending', isNumber: true, cell: ({ pending }) => pending },
    { title: 'running', isNumber: true, cell: ({ running }) => running },
    {
      title: 'last seen',
      isNumber: true,
      cell: ({ last_seen }) => last_seen && since(last_seen * 1000, timestamp * 1000),
    },
    { title: 'error', cell: errorOf },
    { title: 'actions', cell: row => actionsOf(row, cluster) },
  ]
  return html`<h2>Nodes</h2>
    ${dataTable({ label: 'Nodes', columns, rows, key: ({ name }) => name, empty: 'There are none yet.' })}`
}

/** One that fails is never shown as well, nor one that drains. */
function stateOf({ state, error }: NodeState): TemplateResult {
  const tone = error !== null && state !== 'disabled' ? 'bad' : TONES[state]
  return badge(tone ?? 'bad', state)
}

function errorOf({ error, failures }: NodeState): string | null {
  return error !== null && failures > 1 ? `${error} (${failures} times)` : error
}

function actionsOf({ name, enabled, in_flight }: Row, cluster: Cluster): TemplateResult {
  const drain = async () => {
    const text = `It gets no new tasks. The ${in_flight} that it has are collected.`
    if (await confirmed({ title: `Drain ${name}?`, text, action: 'Drain' })) await cluster.setEnabled(name, false)
  }
  // One button that turns into the other keeps the focus; so does one that is not disabled while its work goes on.
  const [word, turn] = enabled ? ['Drain', drain] : ['Enable', () => cluster.setEnabled(name, true)]
  return html`<div class="buttons">
    <button type="button" aria-label="${word} ${name}" aria-disabled=${cluster.isBusy} @click=${turn}>${word}</button>
    <button type="button" aria-label="Refresh the machines of ${name}" aria-disabled=${cluster.isBusy} @click=${() => cluster.readMachines(name)}>Refresh</button>
  </div>`
}
