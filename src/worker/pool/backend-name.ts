/** What computes gradients: the kernel, or native TensorFlow. */
export type BackendName = 'kernel' | 'tfjs';
