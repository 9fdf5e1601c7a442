import neostandard from 'neostandard'

export default [
  { ignores: ['dist/', 'data/', '.cache/', '.tap/', 'node_modules/'] },
  ...neostandard({ ts: true }),
  // What the compiler makes of JSX calls h.
  { files: ['src/page/**/*.tsx'], languageOptions: { parserOptions: { jsxPragma: 'h', jsxFragmentName: 'Fragment' } } },
  { rules: { 'no-void': ['error', { allowAsStatement: true }] } }
]
