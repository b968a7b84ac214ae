/** Whether there is a process of that id, of whatever user. */
export function isProcessThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM means that it is another user's.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
