import assert from 'node:assert/strict';
import { test } from 'node:test';
import { html } from '#src/inspect/report/html.js';

test('texts between the parts of a template are escaped, markup is not', () => {
  const name = '"><script>alert(1)</script>&\'';
  assert.equal(
    html`<p title="${name}">${html`<b>${7}</b>`}${[undefined, 'a<b']}</p>`.markup,
    '<p title="&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;&#39;"><b>7</b>a&lt;b</p>',
  );
});
