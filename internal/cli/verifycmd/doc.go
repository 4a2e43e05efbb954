// Package verifycmd is the commands verify and audit: the same code in the agency's
// program attestry and in the auditor's program attestry-verify.
package verifycmd
