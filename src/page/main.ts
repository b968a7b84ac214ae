// The page that shows runs while they train, or afterwards, from the messages of the feed.

import type { FeedMessage, StatusView } from '../shared/live/feed.ts';
import { QUANTITIES } from '../shared/live/series.ts';
import { Charts } from './charts.ts';
import { listen } from './client.ts';
import { element, showHeading, showLists, showRuns, showState, showStatus, showTiles } from './panels.ts';
import { Run } from './run.ts';
import { chartOf } from './scalar-charts.ts';
import { startTheme } from './theme.ts';

let runs: readonly Run[] = [];
let status: StatusView | undefined;
let isLive = false;
let isDue = false;

const charts = new Charts(element('charts'), QUANTITIES.map(chartOf), () => redraw());
startTheme(element<HTMLButtonElement>('theme'), () => {
  charts.rebuild();
  if (runs.length > 0) showRuns(runs);
});
listen({
  onMessage: take,
  onLost: () => showState('unreachable'),
});

function take(message: FeedMessage): void {
  // All further messages concern the live run.
  const [live] = runs;
  switch (message.type) {
    case 'runs':
      begin(
        message.runs.map((view) => new Run(view)),
        message.live,
      );
      return;
    case 'steps':
      live?.add(message.points);
      break;
    case 'test':
      live?.addTo(live.tests, message.test);
      break;
    case 'checkpoint':
      live?.addTo(live.checkpoints, message.checkpoint);
      showLists(runs);
      break;
    case 'happening':
      live?.addTo(live.happenings, message.happening);
      showLists(runs);
      break;
    case 'status':
      status = message.status;
      showStatus(status);
      break;
    case 'end':
      if (live === undefined) return;
      live.state = message.state;
      live.weightsSha256 = message.weightsSha256;
      showState(message.state);
  }
  redraw();
}

function begin(all: readonly Run[], live: boolean): void {
  runs = all;
  isLive = live;
  status = undefined;
  const single = runs.length === 1 ? runs[0] : undefined;
  showState(single?.state ?? 'finished');
  element('state').hidden = single === undefined;
  element('tiles').hidden = single === undefined;
  element('runs').hidden = single !== undefined;
  element('nodes').hidden = !isLive;
  element('phases').hidden = !isLive;
  showHeading(runs);
  showRuns(runs);
  showLists(runs);
  charts.show(runs);
  redraw();
}

/** Draws at most once a frame, however many messages come. */
function redraw(): void {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    charts.draw();
    const [run] = runs;
    if (runs.length === 1 && run !== undefined) showTiles(run, status);
  });
}
