// Loader hooks of a worker: test files get `node-test.mjs` for `node:test`, and what is loaded from `FILE?run=N.M` gets the modules of the examined
// package anew, with mutant N in its place, so that mutants need no copy of the project.
import { readFileSync } from 'node:fs'

const SHIM = new URL('./node-test.mjs', import.meta.url).href
const RUN = /\?run=(\d*)\.\d+$/
let mutants
let folder

export function initialize(data) {
  mutants = JSON.parse(readFileSync(data.mutants, 'utf8'))
  folder = data.folder
}

export async function resolve(specifier, context, nextResolve) {
  if (specifier === 'node:test' && context.parentURL !== SHIM) return { url: SHIM, shortCircuit: true }
  const resolved = await nextResolve(specifier, context)
  const run = RUN.exec(context.parentURL ?? '')?.[0]
  if (run === undefined || !resolved.url.startsWith(folder) || RUN.test(resolved.url)) return resolved
  return { ...resolved, url: resolved.url + run }
}

export async function load(url, context, nextLoad) {
  const loaded = await nextLoad(url, context)
  const mutant = mutants[RUN.exec(url)?.[1] || -1]
  if (mutant === undefined || url.replace(RUN, '') !== mutant.url) return loaded
  const source = Buffer.from(loaded.source).toString('utf8')
  return { ...loaded, source: source.slice(0, mutant.start) + mutant.replacement + source.slice(mutant.end) }
}
