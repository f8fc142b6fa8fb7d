import { describeNotTaken } from './not-taken.js';

describeNotTaken();
