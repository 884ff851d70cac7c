package file

// Explain is explain, for the test of a full disk.
var Explain = explain
