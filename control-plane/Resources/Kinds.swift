// Every kind that is built, one line each, and what Azure has beside that is not built yet.

package enum Kinds {
    package static let all: [Kind] = [
        .api, .operation, .product, .productApi, .productGroup, .user, .group, .groupUser, .subscription, .namedValue,
        .backend, .certificate, .globalPolicy, .apiPolicy, .operationPolicy, .productPolicy, .policyFragment, .gateway,
        .gatewayApi, .tag, .apiTag, .operationTag, .productTag,
    ]

    package static let byName: [String: Kind] = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

    /// The kinds whose resources lead to those of `kind`, and go with them.
    static func links(to kind: Kind) -> [Kind] { all.filter { $0.linkReading != nil && $0.collection == kind.name } }

    /// Collections of the service that the reference knows and this version does not build: 501.
    package static let notBuilt: Set<String> = [
        "apiversionsets", "workspaces", "loggers", "diagnostics", "caches", "schemas", "authorizationservers",
        "openidconnectproviders", "identityproviders", "authorizationproviders", "policyrestrictions",
        "documentations", "templates", "notifications", "portalsettings", "portalconfigs", "portalrevisions",
        "contenttypes", "issues", "quotas", "regions", "networkstatus", "skus", "policydescriptions", "tagresources",
        "settings", "tenant", "privateendpointconnections", "privatelinkresources", "apisbytags", "productsbytags",
        "operationsbytags", "allpolicies", "clientapplications", "backup", "restore", "getssotoken",
        "applynetworkconfigurationupdates", "validatepolicies", "connectivitycheck", "wikis",
        "outboundnetworkdependenciesendpoints",
        "migratetostv2", "refreshhostnames",
    ]

    /// Collections below a resource that are not built: 501.
    package static let notBuiltBelow: Set<String> = [
        "revisions", "releases", "schemas", "diagnostics", "tagdescriptions", "resolvers", "issues", "wikis",
        "hostnameconfigurations", "certificateauthorities", "apilinks", "grouplinks", "productlinks", "operationlinks",
        "operationsbytags", "listdebugcredentials", "invalidatedebugcredentials", "listtrace", "generatessourl",
        "token",
        "confirmations", "reconnect", "refreshsecret", "keys",
    ]
}
