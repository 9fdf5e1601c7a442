/** The page begins here. */
import { h, render } from './vendor/preact.js'
import { App } from './views/app.js'

render(<App />, document.getElementById('page')!)
