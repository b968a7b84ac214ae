// The page that shows a run while it trains, or the runs of a folder, from the messages of the feed.

import type { FeedMessage, StatusView } from '../shared/live/feed.ts';
import { QUANTITIES } from '../shared/live/series.ts';
import { Charts } from './charts.ts';
import { listen } from './client.ts';
import { element, showHeading, showLists, showNodes, showPhases, showState, showTiles } from './panels.ts';
import { Run } from './run.ts';
import { RunsPage } from './runs-page.ts';
import { chartOf } from './scalar-charts.ts';
import { startTheme } from './theme.ts';

/** Those that are shown; if one trains, that alone. */
let runs: readonly Run[] = [];
let status: StatusView | undefined;
let list: RunsPage | undefined;
let isDue = false;

const charts = new Charts(element('charts'), QUANTITIES.map(chartOf), () => redraw());
startTheme(element<HTMLButtonElement>('theme'), () => charts.rebuild());
listen({
  onMessage: take,
  onLost: () => {
    element('state').hidden = false;
    showState('unreachable');
  },
});

function take(message: FeedMessage): void {
  // All messages after the first concern the run that trains, but for lists.
  const [live] = runs;
  switch (message.type) {
    case 'list':
      element('runs').hidden = false;
      list ??= new RunsPage(showRuns);
      list.take(message);
      return;
    case 'run':
      status = undefined;
      element('nodes').hidden = false;
      element('phases').hidden = false;
      showRuns([new Run(message.run)]);
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
      showNodes(status.nodes, 'Over the last five seconds.');
      showPhases(status.phases);
      break;
    case 'end':
      if (live === undefined) return;
      live.state = message.state;
      live.weightsSha256 = message.weightsSha256;
      showState(message.state);
  }
  redraw();
}

function showRuns(shown: readonly Run[]): void {
  runs = shown;
  const single = runs.length === 1 ? runs[0] : undefined;
  showState(single?.state ?? 'finished');
  element('state').hidden = single === undefined;
  element('tiles').hidden = single === undefined;
  showHeading(runs);
  showLists(runs);
  charts.show(runs);
  if (list !== undefined) showSavedNodes(single);
  showKeyFigures();
}

/** Shows the nodes of a run on the disk, if it alone is chosen. */
function showSavedNodes(run: Run | undefined): void {
  const note = 'Means over the time that each was there in the last attempt, and its largest memory.';
  showNodes(run?.view.nodes ?? [], note, run?.state === 'running' ? undefined : 'to the end');
}

/** Draws at most once a frame, however many messages come. */
function redraw(): void {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    charts.draw();
    showKeyFigures();
  });
}

function showKeyFigures(): void {
  const [run] = runs;
  if (runs.length === 1 && run !== undefined) showTiles(run, status);
}
