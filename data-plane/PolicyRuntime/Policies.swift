internal import PolicyLanguage

// The list of steps. A policy is a file in the folder Policies and a line here; PolicyLanguage's list of declarations
// has the same lines but for `base` and `include-fragment`, of which nothing is left when documents are composed.

let policySteps: [any PolicyStep.Type] = [
    AuthenticationBasic.self,
    CheckHeader.self,
    Cors.self,
    ForwardRequest.self,
    IpFilter.self,
    LimitConcurrency.self,
    MockResponse.self,
    Quota.self,
    RateLimit.self,
    ReturnResponse.self,
    RewriteUri.self,
    SetBackendService.self,
    SetBody.self,
    SetHeader.self,
    SetMethod.self,
    SetQueryParameter.self,
    SetStatus.self,
]

let policyStepByElement: [String: any PolicyStep.Type] = Dictionary(
    policySteps.map { ($0.declaration.element, $0) }, uniquingKeysWith: { first, _ in first })
