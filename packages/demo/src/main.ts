// The demo without set-up and build: `node packages/demo/build/src/main.js`.
import { runDemo } from './demo.js'

process.exitCode = await runDemo(process.argv.slice(2))
