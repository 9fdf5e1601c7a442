import neostandard from 'neostandard'

export default [
  { ignores: ['dist/', 'data/', '.cache/', '.tap/', 'node_modules/'] },
  ...neostandard({ ts: true }),
  { rules: { 'no-void': ['error', { allowAsStatement: true }] } }
]
