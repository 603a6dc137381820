// `node --import` this before a test file: the module that MUTANT names is loaded with its changed text.
import { register } from 'node:module'

register('./hook.mjs', import.meta.url, { data: JSON.parse(process.env.MUTANT) })
