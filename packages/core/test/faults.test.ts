import { faultMatrix } from './fault-matrix.js';

faultMatrix('this Node.js');
