package main

type grantCmds struct {
	Issue  grantIssueCmd  `cmd:"" help:"Sign a grant and log its digest."`
	List   grantListCmd   `cmd:"" help:"List the grants."`
	Show   grantShowCmd   `cmd:"" help:"Show a grant's document."`
	Revoke grantRevokeCmd `cmd:"" help:"End a grant before its time."`
}

func (*grantCmds) Help() string {
	return `A grant says which bank may ask which registries which attributes, for which purposes and until when. The ledger holds a blinded digest of it, which tells nobody what it says; a request names the digest's entry (grant: INDEX), and the bundle that answers shows the document. An answer under a grant that does not cover the question is refused by the agency, and fails with whoever verifies.

Examples:

    attestry grant issue grant.yaml -o grant.json
    attestry grant list
    attestry grant revoke 12`
}
