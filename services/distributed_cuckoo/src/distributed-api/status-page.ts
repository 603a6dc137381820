/** `GET /`: the cluster on one page, filled in by the browser with what `/status` says. */
import { createHash } from 'node:crypto'

const style = `
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 2rem }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #ddd }
td.number { text-align: right; font-variant-numeric: tabular-nums }
.up { color: #176b2c } .unreachable, .unauthorized { color: #a11 }
#problem { color: #a11 }
`

// Texts of nodes and clients are only ever put in as text, never as markup.
const script = `
const page = id => document.getElementById(id)
let token = ''
const row = cells => {
  const line = document.createElement('tr')
  for (const cell of cells) {
    const field = line.appendChild(document.createElement('td'))
    field.textContent = cell === null || cell === undefined ? '\\u2013' : String(cell)
    if (typeof cell === 'number') field.className = 'number'
  }
  return line
}
const ago = (time, now) => {
  if (time === null) return null
  const seconds = Math.max(0, now - time)
  if (seconds < 120) return seconds + ' s'
  return seconds < 7200 ? Math.round(seconds / 60) + ' min' : Math.round(seconds / 3600) + ' h'
}
const show = status => {
  const { tasks, timestamp: now } = status
  for (const name of ['pending', 'processing', 'processed', 'failed']) page(name).textContent = tasks[name]
  page('oldest').textContent = ago(tasks.oldest_pending, now) ?? 'none'
  page('cycle').textContent = status.last_cycle === null ? 'never' : ago(status.last_cycle, now) + ' ago'
  page('disk').textContent = (status.dist.diskspace.free / 2 ** 30).toFixed(1) + ' GiB'
  page('nodes').replaceChildren(...Object.entries(status.node_states).map(([name, node]) => {
    const load = status.nodes[name] ?? {}
    const line = row([name, node.state, node.kind, node.machines, node.in_flight, load.pending, load.running, ago(node.last_seen, now), node.error])
    line.dataset.node = name
    line.children[1].className = node.state
    return line
  }))
  page('more').textContent = status.waiting_total > status.waiting.length ? 'The first ' + status.waiting.length + ' of ' + status.waiting_total : ''
  page('waiting').replaceChildren(...status.waiting.map(({ requirement, reason }) => row([requirement, reason])))
}
const refresh = async () => {
  try {
    const answer = await fetch('status', { headers: token ? { authorization: 'Bearer ' + token } : {} })
    page('login').hidden = answer.status !== 401
    if (answer.ok) show(await answer.json())
    page('problem').textContent = answer.ok || answer.status === 401 ? '' : 'the server answers with HTTP ' + answer.status
    document.body.dataset.state = answer.ok ? 'shown' : 'refused'
  } catch {
    page('problem').textContent = 'the server does not answer'
    document.body.dataset.state = 'away'
  }
}
page('login').addEventListener('submit', event => {
  event.preventDefault()
  token = page('token').value
  refresh()
})
refresh()
setInterval(refresh, 5000)
`

const html = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Distributed Cuckoo</title>
<style>${style}</style>
<h1>Distributed Cuckoo</h1>
<form id="login" hidden><label>API token <input id="token" type="password"></label> <button>Show</button></form>
<p id="problem" role="alert"></p>
<h2>Tasks</h2>
<table>
<thead><tr><th>pending<th>processing<th>processed<th>of these failed<th>oldest pending<th>last cycle<th>free disk space</tr></thead>
<tbody><tr><td id="pending"><td id="processing"><td id="processed"><td id="failed"><td id="oldest"><td id="cycle"><td id="disk"></tr></tbody>
</table>
<h2>Nodes</h2>
<table>
<thead><tr><th>name<th>state<th>kind<th>machines<th>our tasks<th>pending<th>running<th>last seen<th>error</tr></thead>
<tbody id="nodes"></tbody>
</table>
<h2>What pending tasks wait for</h2>
<table>
<thead><tr><th>requirement<th>reason</tr></thead>
<tbody id="waiting"></tbody>
</table>
<p id="more"></p>
<script>${script}</script>
</html>
`

const allowed = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`

export const statusPage = {
  html,
  headers: {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': `default-src 'none'; connect-src 'self'; style-src ${allowed(style)}; script-src ${allowed(script)}; frame-ancestors 'none'; base-uri 'none'`,
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
  },
} as const
