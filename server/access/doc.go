// Package access decides who may do what over HTTP.
//
// An [Organisation] is a bank, an agency, an auditor or an operator. A [Directory],
// kept in the service's database, lists the organisations and their credentials: API
// keys, which are random secrets of which only a hash is kept, and client
// certificates, bound by their public key or by their subject. Tokens of OpenID Connect
// issuers are the third kind ([Issuer]); they are listed nowhere, and the configuration
// says whose they are. An [Authenticator] finds the [Principal] of a request.
//
// What a role may do is written in the OpenAPI document: an operation with x-roles is
// for these roles alone and has an x-scope, which a credential can be narrowed to; one
// without is public. [Authenticator.Require] holds a request to that before its body is
// looked at, and hands the principal on in the context ([PrincipalOf]).
//
//	directory, err := access.Open(db)
//	_, err = directory.CreateOrganisation(access.Organisation{ID: "bank-a", Role: access.RoleBank})
//	key, token, err := directory.CreateKey(access.NewKey{Organisation: "bank-a"})
//	authenticator, err := access.NewAuthenticator(access.Options{Directory: directory})
//	rule, err := access.RuleOf(operation)
//	group.POST("/v1/requests", handler, authenticator.Require(rule))
//
// Credentials never show up in errors, logs or listings: of a key these have the id, of
// a token of an issuer a hash of its subject.
package access
